"""The field that an unknown name probably means: another spelling of it, or another word for it."""

import difflib
from collections.abc import Mapping, Sequence

LIKENESS = 0.78
"""Of the ratio of difflib, from 0 to 1: `lable` is this like `label`, and `latest` is not like `dataset`."""
LONGEST = 64
OTHER_WORDS = {
    "activation": "act activation_fn activation_function nonlinearity non_linearity",
    "arms": "configs groups models norms variants",
    "base": "common defaults shared spec",
    "baseline": "control reference",
    "batch_size": "b batch bs mini_batch_size minibatch minibatch_size",
    "checkpoint_every": "checkpoint_interval checkpoint_steps save_every save_interval save_steps",
    "dataset": "data",
    "eval_every": "eval_freq eval_interval eval_steps evaluate_every evaluation_interval",
    "images": "data inputs instances pixels",
    "init": "data_dependent_init data_init initialisation initialization",
    "keep_checkpoints": "max_checkpoints save_total_limit",
    "label": "name title",
    "learning_rate": "alpha eta learn_rate lr rate step_size",
    "learning_rates": "learning_rate lr lrs rates",
    "max_seconds": "max_time time_limit timeout timeout_seconds",
    "momentum": "beta",
    "n_hidden": "depth hidden_layers layers n_hidden_layers n_layers num_hidden_layers num_layers",
    "n_units": "hidden hidden_dim hidden_features hidden_size hidden_units neurons num_units units width",
    "norm": "norm_layer norm_type normalisation normalization normalizer",
    "optimizer": "algorithm opt optim solver",
    "return": "output outputs",
    "sampling": "sampler",
    "seed": "manual_seed random_seed random_state rng rng_seed",
    "seeds": "n_seeds num_seeds repeats replicates runs",
    "steps": "epochs iterations iters max_iter max_steps n_epochs n_iter n_steps num_epochs num_steps",
    "top_k": "k top",
    "weight_decay": "decay l2 l2_penalty l2_reg regularisation regularization wd",
    "weight_std": "init_scale init_std sigma std",
}
"""What other libraries and papers call a field of ours; a word may mean another field in each schema."""


def advise(name: str, known: Sequence[str], elsewhere: Mapping[str, str]) -> str | None:
    """Return what to do about an unknown field: where it belongs, or the known field that was meant.

    `elsewhere` has a sentence for each field of another schema; a similar name gets it too.
    """
    if name not in elsewhere:
        meant = suggest(name, known)
        if meant:
            return f"did you mean {meant}?"
        name = suggest(name, list(elsewhere)) or name
    return elsewhere.get(name)


def suggest(name: str, known: Sequence[str]) -> str | None:
    """Return the known field that was probably meant; None rather than a guess."""
    given = _plain(name[:LONGEST])
    fields = {_plain(field): field for field in known}
    if given in fields:
        return fields[given]
    for field in known:
        if given in map(_plain, OTHER_WORDS.get(field, "").split()):
            return field
    for plain, field in fields.items():
        if sorted(plain) == sorted(given):  # letters are swapped
            return field
    near = difflib.get_close_matches(given, fields, n=1, cutoff=LIKENESS)
    return fields[near[0]] if near else None


def _plain(name: str) -> str:
    """Return a name without capitals and without what separates its words."""
    return "".join(letter for letter in name.lower() if letter.isalnum())
