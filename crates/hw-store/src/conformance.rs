//! The one suite that every store must pass: small named cases, each for one sentence of the trait.
//!
//! A backend takes part with one line in its tests, `conformance!(memory, make)`, where `make` is an async function that
//! returns a [`Setting`].

pub(crate) mod claims;
mod setting;
pub(crate) mod submission;

pub(crate) use setting::*;

/// Makes a module of tests out of every case, for one backend.
macro_rules! conformance {
    ($backend:ident, $make:path) => {
        mod $backend {
            $crate::conformance::cases! { $make,
                submission {
                    a_new_job_is_queued_and_its_tasks_are_ready,
                }
                claims {
                    a_claim_leases_the_task_and_starts_the_job,
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
                        let setting = $make().await;
                        $crate::conformance::$group::$case(&setting).await;
                    });
                }
            )*
        })*
    };
}

pub(crate) use {cases, conformance};
