//! One body of tests, every World: what the embedded Kubernetes does, a real one does too.
//!
//! Each claim is tested in-process (in virtual time), over loopback unless it waits long, and on the
//! real API server that `DST_LOAD_LAB_KUBECONFIG` names; the latter is ignored unless asked for
//! (`just lab-test`), and then fails without one. Where the two differ, the embedded one is wrong.

#![expect(clippy::unwrap_used, reason = "the helpers of a test are part of it")]
#![expect(
    clippy::print_stdout,
    reason = "a seed is of use whether or not a test fails"
)]

/// Tests each of the claims, which are functions of a `&World`, in every World.
macro_rules! in_every_world {
    ($($claim:ident),+ $(,)?) => {
        $(mod $claim {
            virtual_and_lab!($claim);

            #[tokio::test]
            async fn on_loopback() {
                crate::world::on_loopback(super::$claim).await;
            }
        })+
    };
}

/// Tests claims that wait for most of a minute: not on loopback, where that is real time.
macro_rules! in_virtual_time_and_the_lab {
    ($($claim:ident),+ $(,)?) => {
        $(mod $claim {
            virtual_and_lab!($claim);
        })+
    };
}

macro_rules! virtual_and_lab {
    ($claim:ident) => {
        #[tokio::test(start_paused = true)]
        async fn in_process() {
            crate::world::in_process(super::$claim).await;
        }

        #[tokio::test]
        #[ignore = "needs a lab: `just lab-up`, then `just lab-test`"]
        async fn in_the_lab() {
            crate::world::in_the_lab(super::$claim).await;
        }
    };
}

mod churn;
mod deletions;
mod lab;
mod objects;
mod oracle;
mod patches;
mod refusals;
mod slices;
mod watches;
mod world;
