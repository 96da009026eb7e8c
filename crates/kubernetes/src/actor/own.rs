//! Endpoints of our own: the writes that a roster plans, as calls.
//!
//! What may be written at once is sent at once, as far as rate and concurrency let it; the caller
//! paces all Services together. Which writes those are is for the roster to say.

#[cfg(test)]
mod tests;

use dst_load_scenario::{
    action::Verb,
    roster::{Roster, Slice, Work, Write},
    scenario::Backend,
};
use futures::future::{BoxFuture, FutureExt, join_all};

use super::{
    Actor, KubernetesError,
    call::Reply,
    objects::{self, numbered},
    owned::{ObjectRef, Operation},
    resource::{PODS, Resource, SERVICES, SLICES},
};

/// One Service whose endpoints we write.
#[derive(Clone, Copy)]
pub(super) struct Own<'a> {
    actor: &'a Actor,
    name: &'a str,
    /// Its position in the scenario.
    index: usize,
}

// === impl Own ===

impl<'a> Own<'a> {
    pub(super) const fn new(actor: &'a Actor, name: &'a str, index: usize) -> Self {
        Self { actor, name, index }
    }

    /// Does `verb`. A reply for all its calls: the first one's start, the last one's end, and the
    /// first failure, after which what was to follow is left undone.
    pub(super) async fn perform(self, roster: &mut Roster, verb: &Verb) -> Reply {
        let work = match roster.plan(verb) {
            Ok(work) => work,
            Err(cause) => {
                return self.actor.refuse(KubernetesError::NoAddress {
                    service: self.name.to_owned(),
                    cause,
                });
            }
        };
        let nothing = || Reply::unsent(self.actor.clock().now(), Ok(bytes::Bytes::new()));
        self.work(&work).await.unwrap_or_else(nothing)
    }

    /// Does `work`; `None` if there was nothing to send.
    fn work<'b>(self, work: &'b Work) -> BoxFuture<'b, Option<Reply>>
    where
        'a: 'b,
    {
        async move {
            match work {
                Work::Write(write) => Some(self.write(write).await),
                Work::Wait(span) => {
                    tokio::time::sleep(*span).await;
                    None
                }
                Work::InTurn(all) => {
                    let mut so_far: Option<Reply> = None;
                    for work in all {
                        let Some(next) = self.work(work).await else {
                            continue;
                        };
                        let failed = next.result.is_err();
                        so_far = Some(match so_far {
                            Some(reply) => reply.then(next),
                            None => next,
                        });
                        if failed {
                            break;
                        }
                    }
                    so_far
                }
                Work::Together(all) => {
                    let replies = join_all(all.iter().map(|work| self.work(work))).await;
                    replies.into_iter().flatten().reduce(Reply::and)
                }
            }
        }
        .boxed()
    }

    async fn write(self, write: &Write) -> Reply {
        let Actor {
            namespace,
            run,
            scenario,
            ..
        } = self.actor;
        let (name, port) = (self.name, scenario.churn.port);
        match write {
            Write::MakeService => {
                let service = objects::service(name, namespace, port, false, run);
                self.actor.put(&SERVICES, name, service).await
            }
            Write::DropService => self.drop(&SERVICES, name).await,
            Write::MakePod(member) => {
                let meshed = matches!(scenario.churn.backend, Backend::Pods { meshed: true, .. });
                let pod = objects::pod(name, namespace, member.number, port, meshed, run);
                let pod_name = numbered(name, member.number);
                self.actor.put(&PODS, &pod_name, pod).await
            }
            Write::ReadyPod(member) => {
                let pod_name = numbered(name, member.number);
                let patch = objects::ready(member);
                let pod = ObjectRef::new(&PODS, &pod_name);
                let operation = Operation::Merge(Some("status"), &patch);
                self.actor.perform(pod, &operation).await
            }
            Write::DropPod(number) => self.drop(&PODS, &numbered(name, *number)).await,
            Write::MakeSlice(slice) | Write::PutSlice(slice) => self.slice(slice).await,
            Write::DropSlice(number) => {
                let reply = self.drop(&SLICES, &numbered(name, *number)).await;
                self.tell(&reply, true);
                reply
            }
        }
    }

    /// Makes or replaces a slice, whichever is needed: an earlier answer may have been lost, and
    /// somebody may have deleted it.
    async fn slice(self, slice: &Slice) -> Reply {
        let Actor {
            namespace,
            run,
            scenario,
            ..
        } = self.actor;
        let pods = matches!(scenario.churn.backend, Backend::Pods { .. });
        let name = numbered(self.name, slice.number);
        let body = objects::slice(self.name, namespace, slice, pods, run);
        let body = objects::owned(body, self.actor.owner.as_ref());
        let reference = ObjectRef::new(&SLICES, &name);
        let operation = Operation::Replace(body);
        let reply = self.actor.perform(reference, &operation).await;
        self.tell(&reply, false);
        reply
    }

    /// Deletes an object; one that is not there is deleted.
    async fn drop(self, resource: &'static Resource, name: &str) -> Reply {
        let reference = ObjectRef::new(resource, name);
        self.actor.perform(reference, &Operation::Delete).await
    }

    /// Tells who wants to know of a slice that was written or deleted.
    fn tell(self, reply: &Reply, deleted: bool) {
        if let (Some(on_slice), Some(written)) = (&self.actor.on_slice, reply.written(deleted)) {
            on_slice(self.index, written, reply.acknowledged);
        }
    }
}
