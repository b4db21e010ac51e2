"""The words of the page for what the intake did to a picture and for what speaks against a digit."""

POLARITIES = {
    "light_on_dark": "Read as light ink on dark",
    "dark_on_light": "Read as dark ink on light",
}
UNCHANGED = "unchanged"
APPLIED = {
    UNCHANGED: "already like MNIST, so unchanged",
    "inverted": "inverted",
    "cropped": "cropped to the digit",
    "flattened": "shadows evened out",
    "unlined": "ruled lines removed",
    "stretched": "contrast raised",
    "despeckled": "specks removed",
    "thickened": "thin strokes thickened",
    "resized": "scaled to 20 pixels",
    "centred": "centred by its weight",
}
"""A picture to which nothing was done is `unchanged`."""
WARNINGS = {
    "no_ink": "The picture is empty.",
    "little_ink": "This is a speck rather than a digit.",
    "several_digits": "There seem to be several digits; the nets see the largest one only.",
    "touches_border": "The ink touches the edge, so part of the digit may be missing.",
    "unlike_mnist": "This does not look like a digit of MNIST; do not trust the nets here.",
    "disputed": "It is more like another digit than the one that the nets see; do not trust them here.",
}
