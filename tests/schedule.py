"""Which test files share a process, which of them start first, and what is too slow for `make quick`."""

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling, Scheduling
from xdist.workermanage import WorkerController

SHARED_SERVICE = (
    "tests/test_crash.py",
    "tests/test_stopping.py",
    "tests/test_main_job.py",
    "tests/test_papers.py",
    "tests/test_docs.py",
)
ARMS = ("tests/test_bands.py", "tests/models/test_train.py", "tests/api/test_summary.py")

# The longest first, so that all processes end at about the same time. Other files are units of their own.
UNITS = (
    ARMS,
    SHARED_SERVICE,
    ("tests/test_cluster.py",),
    ("tests/test_failpoints.py",),
    ("tests/work/test_task.py",),
    ("tests/test_operations.py",),
    ("tests/test_queue_simulated.py",),
    ("tests/analysis/test_plots.py",),
    ("tests/test_compose.py",),
    ("tests/test_network.py",),
    ("tests/work/test_engine.py",),
    ("tests/work/test_certificates.py",),
    ("tests/test_poison.py",),
)
RANKS = {path: rank for rank, unit in enumerate(UNITS) for path in unit}


# What `make quick` leaves out besides services: files and tests that train for seconds, draw many figures or
# start interpreters.
SLOW = frozenset(
    (
        "tests/test_bands.py",
        "tests/test_failpoints.py",
        "tests/test_memory.py",
        "tests/test_operations.py",
        "tests/test_queue_simulated.py",
        "tests/work/test_certificates.py",
        "tests/analysis/test_plots.py::test_equal_input_gives_equal_bytes_in_another_process",
        "tests/analysis/test_plots.py::test_threads_that_draw_at_once_get_what_they_get_alone",
        "tests/api/test_checkpoints.py::test_an_older_checkpoint_is_served_though_the_newest_is_damaged",
        "tests/api/test_comparisons.py::test_arms_of_one_seed_have_equal_starts_and_equal_data",
        "tests/api/test_curves.py::test_a_band_is_what_it_is_called",
        "tests/api/test_damage.py::test_a_job_with_a_damaged_resume_state_starts_again",
        "tests/api/test_datasets.py::test_a_data_set_that_is_not_here_is_shown_once_a_worker_has_fetched_it",
        "tests/api/test_datasets.py::test_an_image_is_the_published_one_as_json_and_as_png",
        "tests/api/test_datasets.py::test_the_form_is_chosen_by_accept_and_by_format",
        "tests/api/test_divergence.py::test_no_answer_about_a_diverged_job_has_numbers_that_are_none",
        "tests/api/test_dry_runs.py::test_the_seconds_are_those_of_the_machine_measured_last",
        "tests/api/test_figures.py::test_a_figure_of_too_many_arms_is_refused_and_its_report_says_so",
        "tests/api/test_figures.py::test_a_png_is_a_picture_of_two_panels",
        "tests/api/test_figures.py::test_an_svg_names_its_arms_and_runs_nothing",
        "tests/api/test_figures.py::test_equal_histories_give_equal_bytes_and_other_questions_other_bytes",
        "tests/api/test_hostile.py::test_a_hostile_request_is_refused",
        "tests/api/test_job_ends.py::test_a_deleted_job_is_found_nowhere",
        "tests/api/test_layer_reports.py::test_telemetry_comes_in_pages",
        "tests/api/test_layer_reports.py::test_the_cursor_of_another_list_is_refused",
        "tests/api/test_openapi.py::test_a_worked_example_works",
        "tests/api/test_openapi.py::test_the_description_is_openapi_3_1",
        "tests/api/test_reports.py::test_a_report_is_of_one_learning_rate",
        "tests/api/test_reports.py::test_a_report_says_what_may_be_concluded_and_what_may_not",
        "tests/api/test_reports.py::test_a_report_that_the_client_has_is_not_sent_again",
        "tests/api/test_reports.py::test_the_command_of_a_report_asks_the_same_again",
        "tests/api/test_reports.py::test_too_few_seeds_conclude_nothing",
        "tests/api/test_robustness.py::test_each_arm_has_the_widest_range_in_which_its_mean_reaches_the_level",
        "tests/api/test_summary.py::test_a_summary_that_the_client_has_is_not_sent_again",
        "tests/api/test_summary.py::test_specs_that_another_release_stored_are_answered",
        "tests/models/test_data.py::test_a_damaged_cache_is_downloaded_again",
        "tests/models/test_divergence.py::test_a_diverged_run_names_the_place_alone_and_beside_others",
        "tests/models/test_init.py::test_a_net_with_init_starts_with_the_loss_of_logits_of_deviation_1",
        "tests/models/test_train.py::test_a_diverging_run_ends_at_its_first_bad_step_and_leaves_its_neighbour_alone",
        "tests/models/test_train.py::test_a_net_whose_gains_are_drawn_like_weights_does_not_learn",
        "tests/models/test_train.py::test_a_run_taken_up_from_its_resume_state_goes_on_as_if_undisturbed",
        "tests/models/test_train.py::test_a_span_has_a_longest_time_however_long_its_state_takes_to_store",
        "tests/models/test_train.py::test_a_span_that_is_called_off_ends_early_and_loses_nothing",
        "tests/models/test_train.py::test_neighbours_do_not_change_the_bits_of_a_run",
        "tests/models/test_train.py::test_two_runs_of_one_spec_are_equal_but_for_their_time",
        "tests/serving/test_gallery.py::test_no_more_than_two_data_sets_are_kept",
        "tests/serving/test_intake.py::test_a_digit_of_mnist_comes_back_from_a_shifted_dark_on_white_picture",
        "tests/serving/test_intake.py::test_an_image_given_back_is_not_changed_again",
        "tests/serving/test_intake.py::test_any_array_gives_an_image_or_is_blank",
        "tests/serving/test_intake.py::test_odd_shapes_are_boxed_like_all_others",
        "tests/store/test_announcements.py::test_a_listener_whose_connection_is_cut_listens_again",
        "tests/store/test_invariants.py::test_a_check_may_take_longer_than_any_request",
        "tests/store/test_invariants.py::test_damage_to_a_job_that_succeeded_is_named",
        "tests/store/test_pruning.py::test_the_space_of_pruned_jobs_is_used_again",
        "tests/store/test_races.py::test_a_job_cancelled_while_it_ends_has_one_end",
        "tests/store/test_sqlite_files.py::test_a_file_is_not_replaced_while_others_have_it_open",
        "tests/test_imports.py::test_importing_the_application_is_silent_and_needs_no_environment",
        "tests/test_settings.py::test_a_port_that_is_taken_is_told_at_once",
        "tests/test_settings.py::test_a_wrong_setting_ends_the_command_with_its_name",
        "tests/test_settings.py::test_workers_without_a_scheduler_are_refused_at_once",
        "tests/work/test_cluster.py::test_a_scheduler_that_is_away_for_long_costs_no_thread_and_no_file",
        "tests/work/test_dispatcher.py::test_a_client_that_is_paused_within_a_copy_soon_holds_no_job",
        "tests/work/test_task.py::test_a_job_asked_to_stop_is_handed_back_and_goes_on_without_a_gap",
    )
)


class UnitScheduling(LoadFileScheduling):
    """Send each unit to one process, as a whole.

    xdist's own groups need the test ids to carry the group's name, which pytest 9.2 does not let it write.
    """

    def _split_scope(self, nodeid: str) -> str:
        path = nodeid.partition("::")[0]
        return UNITS[RANKS[path]][0] if path in RANKS else path

    def _assign_work_unit(self, node: WorkerController) -> None:
        first = min(self.workqueue, key=lambda scope: RANKS.get(scope, len(UNITS)))
        self.workqueue.move_to_end(first, last=False)
        super()._assign_work_unit(node)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Scheduling:
    return UnitScheduling(config, log)
