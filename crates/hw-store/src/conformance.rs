//! The one suite that every store must pass: small named cases, each for one sentence of the trait.
//!
//! A backend takes part with one line in its tests, `conformance!(memory, make)`, where `make` is an async function that
//! returns a [`Setting`], or `None` where the backend cannot be had (and says so).

pub(crate) mod cancels;
pub(crate) mod catalog;
pub(crate) mod claims;
pub(crate) mod crowd;
pub(crate) mod delays;
pub(crate) mod ends;
pub(crate) mod events;
pub(crate) mod fences;
pub(crate) mod files;
mod invariants;
pub(crate) mod leases;
pub(crate) mod listeners;
pub(crate) mod lists;
pub(crate) mod retention;
pub(crate) mod retries;
pub(crate) mod sessions;
mod setting;
pub(crate) mod submission;
pub(crate) mod work;

pub(crate) use invariants::{all_events, check_invariants};
pub(crate) use setting::{
    LEASE, ManualClock, Setting, UNFINISHED_MAX, after, block_on, change, claim_of, delayed, done, due, ending, job_id,
    keyed, lost, new_job, new_session, new_worker, of_flow, part, result, session, short, spec, success, table,
    table_name, task_id, worker,
};

/// Makes a module of tests out of every case, for one backend.
macro_rules! conformance {
    ($backend:ident, $make:path) => {
        mod $backend {
            $crate::conformance::cases! { $make,
                submission {
                    a_new_job_is_queued_and_its_tasks_are_ready,
                    a_job_without_ready_tasks_tells_of_none,
                    everything_told_of_a_job_is_kept,
                    everything_told_of_a_task_is_kept,
                    the_same_key_and_request_give_the_same_job,
                    the_same_key_with_another_request_is_a_conflict,
                    a_key_answers_for_a_settled_job_too,
                    a_key_tells_its_job_and_request,
                    too_many_unfinished_jobs_are_refused,
                    an_id_is_given_once,
                    tasks_that_wait_for_nothing_that_exists_are_refused,
                    added_tasks_follow_those_that_are_there,
                    texts_are_never_interpreted,
                    large_parameters_are_kept,
                    numbers_are_kept_to_the_last_digit,
                    documents_are_kept_only_as_deep_as_they_can_be_read,
                }
                claims {
                    a_claim_leases_the_task_and_starts_the_job,
                    a_claim_tells_all_that_a_worker_needs,
                    an_attempt_is_recorded,
                    a_claimed_task_is_not_claimed_again,
                    an_empty_claim_leaves_no_trace,
                    lower_priority_values_go_first,
                    flows_take_turns,
                    a_late_flow_does_not_wait_for_a_long_one,
                    an_idle_flow_gathers_no_credit,
                    a_withdrawn_flow_owes_nothing,
                    flows_take_turns_at_each_priority,
                    held_parts_come_first,
                    held_parts_beyond_the_window_do_not,
                    the_room_is_never_exceeded,
                    what_does_not_fit_is_left_for_others,
                    labels_must_be_carried,
                    tasks_for_others_hide_nothing,
                    only_known_kinds_and_formats_are_claimed,
                    scarce_things_are_for_those_who_need_them,
                    scarce_things_are_counted_for_owners_too,
                    an_owner_claims_its_own_jobs_only,
                    jobs_whose_end_was_asked_for_are_not_claimed,
                    the_queue_knows_its_length,
                }
                fences {
                    the_outcome_is_kept,
                    a_failure_is_kept_with_the_task_and_the_attempt,
                    a_report_after_the_task_was_taken_away_is_late,
                    what_was_taken_away_already_stays_lost,
                    a_late_report_does_not_touch_the_next_attempt,
                    a_repeated_report_is_accepted_again,
                    another_report_after_the_end_is_late_and_the_end_stays,
                    a_fence_that_never_was_is_refused,
                    tasks_that_do_not_exist_are_named,
                    endings_that_make_no_sense_are_refused,
                    each_report_stands_by_itself,
                    reports_of_one_call_see_each_other,
                    a_large_outcome_is_refused_with_all_of_the_call,
                    fences_only_rise,
                    files_are_confirmed_with_the_report_that_refers_to_them,
                }
                leases {
                    a_lease_runs_out_at_its_end,
                    expired_tasks_come_oldest_first_and_limited,
                    a_heartbeat_extends_the_lease,
                    verdicts_come_in_the_order_of_the_question,
                    a_heartbeat_writes_no_events,
                    a_worker_whose_end_is_asked_for_has_time_to_report,
                    a_lease_that_nobody_took_away_can_be_kept,
                    jumps_of_the_wall_change_nothing,
                    tasks_of_an_ended_session_are_over_for_good,
                    tasks_of_a_session_whose_lease_is_over_are_over_too,
                    a_task_is_not_lost_while_its_lease_runs,
                    a_worker_whose_session_is_over_claims_nothing,
                    a_worker_whose_session_is_over_finishes_nothing,
                    settled_tasks_do_not_expire,
                }
                retries {
                    a_pause_is_over_by_the_stores_clock,
                    waking_goes_in_steps_and_tells_each_job_once,
                    a_lost_task_is_ready_at_once_behind_its_flow,
                    a_pause_ends_with_the_job,
                    a_quarantined_task_gets_another_life,
                    no_other_task_gets_another_life,
                    a_task_is_ready_when_the_last_it_waits_for_has_succeeded,
                    one_call_can_end_all_that_a_task_waits_for,
                    a_task_that_waits_for_a_failed_one_is_blocked,
                    blocked_tasks_are_told_after_the_reports,
                    tasks_wait_again_when_what_blocks_them_gets_another_life,
                    an_added_task_that_needs_a_failed_one_is_blocked,
                    a_whole_chain_is_blocked_and_freed,
                    a_diamond_is_blocked_once_and_freed_by_the_last,
                    an_added_task_waits_only_for_what_has_not_succeeded,
                }
                delays {
                    a_delayed_job_waits_until_it_may_start,
                    jumps_of_the_wall_neither_hasten_nor_delay_a_start,
                    delayed_tasks_that_wait_for_others_go_on_waiting,
                    a_delay_that_is_over_is_none,
                    a_delay_ends_with_the_job,
                    starts_and_ends_of_pauses_come_in_their_order,
                }
                cancels {
                    a_task_that_nobody_has_is_cancelled_at_once,
                    a_running_task_is_taken_from_its_worker,
                    what_a_worker_brings_for_a_cancelled_task_is_late,
                    settled_tasks_are_not_cancelled,
                    nothing_follows_a_cancelled_task,
                }
                work {
                    work_is_told_without_an_event_and_summed_up,
                    a_new_attempt_begins_its_work_anew,
                    work_under_another_fence_is_left_out,
                    work_told_twice_in_one_call_counts_once,
                    a_report_tells_the_last_of_the_work,
                    a_stage_leaves_the_work_as_it_is,
                }
                ends {
                    a_result_is_kept,
                    a_file_as_result_is_referred_to,
                    other_endings_say_why,
                    open_tasks_are_withdrawn_with_the_job,
                    a_settled_job_stays_as_it_is,
                    jobs_that_do_not_exist_are_named,
                    a_job_is_finishing_once,
                    the_first_reason_for_the_end_counts,
                    a_large_result_is_refused_and_the_job_goes_on,
                    the_stage_is_that_of_the_newest_tasks,
                    a_job_is_adopted_from_its_owner_only,
                    a_job_ages_until_it_settles,
                    a_job_starts_once,
                }
                catalog {
                    a_table_appears_with_the_end_of_its_job,
                    versions_go_on_counting,
                    a_moved_table_refuses_the_whole_end,
                    a_table_is_put_upon_the_version_that_was_looked_at,
                    a_dropped_table_cannot_be_dropped_again,
                    changes_of_one_end_follow_each_other,
                    parts_come_in_the_order_of_their_paths,
                    earlier_versions_keep_their_parts_for_a_while,
                    tables_are_listed_by_name,
                    the_last_use_of_a_table_is_known,
                    a_job_that_reads_a_table_uses_it,
                    ten_thousand_parts_are_kept,
                }
                files {
                    announced_files_have_a_time_of_grace,
                    confirmed_files_stay,
                    released_files_have_a_time_of_grace_too,
                    only_confirmed_files_are_released,
                    files_announced_again_begin_anew,
                    unreferenced_files_come_oldest_first_and_limited,
                    forgotten_files_are_gone,
                    only_files_beyond_their_grace_are_condemned,
                    condemned_files_are_told_until_they_are_forgotten,
                    condemned_files_come_back_in_no_way,
                    what_the_ledger_does_not_know_is_not_confirmed,
                    a_report_that_refers_to_a_swept_file_changes_nothing,
                    an_end_that_refers_to_a_swept_file_changes_nothing,
                }
                sessions {
                    sessions_are_listed_oldest_first,
                    a_session_lives_as_long_as_it_is_renewed,
                    a_session_that_was_given_up_is_not_renewed,
                    a_session_started_twice_is_one,
                    workers_join_once_and_leave_with_their_session,
                    a_draining_worker_keeps_what_it_has_and_is_given_no_more,
                    a_worker_belongs_to_a_session,
                    the_store_counts_what_a_worker_runs,
                    an_ended_session_owns_nothing,
                    tokens_are_found_by_their_hash,
                }
                events {
                    an_empty_log_has_no_last_event,
                    events_are_kept_as_told,
                    numbers_rise_without_gaps,
                    appending_nothing_tells_the_last_number,
                    a_reader_goes_on_from_its_cursor,
                    filters_leave_out_the_others,
                    a_limit_counts_what_passes_the_filter,
                    commits_wake_the_readers,
                }
                listeners {
                    a_listener_goes_on_where_it_stopped,
                    a_listener_begins_where_it_is_told_and_only_once,
                    a_cursor_moves_forward_only_and_not_beyond_the_log,
                    what_does_not_pass_the_filter_is_read_all_the_same,
                    listeners_are_listed_and_dropped,
                    odd_names_and_reads_of_nothing_are_refused,
                    events_wait_for_the_slowest_listener,
                    events_that_waited_too_long_go_and_the_listener_is_told,
                    a_listener_that_is_behind_holds_nothing_back,
                    whoever_has_read_what_went_missed_nothing,
                }
                lists {
                    jobs_are_listed_newest_first_in_pages,
                    a_page_goes_on_where_the_one_before_ended,
                    filters_pass_only_what_they_name,
                    foreign_page_tokens_are_refused,
                    jobs_are_found_by_the_ends_of_their_ids,
                    the_newest_result_answers_for_its_fingerprint,
                    labels_are_added_once,
                    attempts_come_by_task_and_number,
                }
                retention {
                    results_go_before_their_jobs,
                    all_files_of_a_job_go_with_its_results,
                    old_jobs_go_with_all_that_is_theirs,
                    unsettled_jobs_stay,
                    a_key_is_free_when_its_job_is_gone,
                    old_events_go_and_numbers_go_on,
                    one_call_removes_a_bounded_number,
                    parts_stay_as_long_as_a_job_reads_their_version,
                    files_of_versions_that_are_gone_are_released,
                }
            }
        }
    };
}

macro_rules! cases {
    ($make:path, $($group:ident { $($case:ident,)* })*) => {
        $(mod $group {
            $(
                #[test]
                fn $case() {
                    $crate::conformance::block_on(async {
                        if let Some(setting) = $make().await {
                            $crate::conformance::$group::$case(&setting).await;
                        }
                    });
                }
            )*
        })*
    };
}

pub(crate) use {cases, conformance};
