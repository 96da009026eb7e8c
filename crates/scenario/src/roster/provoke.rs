//! The writes that provoke Linkerd's stale-state behaviours. Waits lie between writes that a
//! controller hears of by separate watches, so that it hears of them in this order.

use super::{LEAD, Member, Roster, Slice, UsedUp, Work, Write, drop_pods, make_pods};
use crate::stale_state::StaleStateCase;

// === impl Roster ===

impl Roster {
    /// Does `case` for the `round`th time.
    pub(super) fn provoke(&mut self, case: StaleStateCase, round: u32) -> Result<Work, UsedUp> {
        Ok(match case {
            StaleStateCase::PortChanged => {
                self.port = match (round % 2, self.first_port) {
                    (0, port) => port,
                    (_, u16::MAX) => u16::MAX - 1,
                    (_, port) => port + 1,
                };
                self.all_slices()
            }
            StaleStateCase::AddressChanged => {
                self.move_all()?;
                self.all_slices()
            }
            StaleStateCase::PodMoved => {
                self.move_all()?;
                let members = self.slots.all().values().flatten();
                let pods = members.map(|&member| Work::Write(Write::ReadyPod(member)));
                let pods = Work::Together(pods.collect());
                Work::InTurn(vec![pods, Work::Wait(LEAD), self.all_slices()])
            }
            StaleStateCase::SharedEndpoint => self.list_twice(),
            StaleStateCase::SliceAfterPods => {
                let members = self.members(self.endpoints())?;
                let number = self.slots.number();
                Work::InTurn(vec![
                    make_pods(&members),
                    Work::Wait(LEAD),
                    self.passing(number, &members),
                    Work::Wait(LEAD),
                    drop_pods(&members),
                    Work::Wait(LEAD),
                    Work::Write(Write::DropSlice(number)),
                ])
            }
            StaleStateCase::SliceBeforePods => {
                let mut work = Vec::new();
                if let Some(number) = self.ahead.take() {
                    let members = self.slots.take(number);
                    let slice = Work::Write(Write::DropSlice(number));
                    work.push(self.followed_by_pods(slice, &members));
                }
                let members = self.members(self.endpoints())?;
                let number = self.slots.add(&members);
                self.ahead = Some(number);
                work.push(self.slice(number, true));
                work.push(Work::Wait(LEAD));
                work.push(make_pods(&members));
                Work::InTurn(work)
            }
            StaleStateCase::ServiceRecreated => Work::InTurn(vec![
                Work::Write(Write::DropService),
                Work::Wait(LEAD),
                Work::Write(Write::MakeService),
            ]),
        })
    }

    /// The oldest endpoint in a second slice for a while.
    fn list_twice(&mut self) -> Work {
        let Some(shared) = self.slots.all().values().flatten().min().copied() else {
            return Work::InTurn(Vec::new());
        };
        let number = self.slots.number();
        Work::InTurn(vec![
            self.passing(number, &[shared]),
            Work::Wait(LEAD),
            Work::Write(Write::DropSlice(number)),
        ])
    }

    /// A slice that will not stay.
    fn passing(&self, number: u32, members: &[Member]) -> Work {
        Work::Write(Write::MakeSlice(Slice {
            number,
            port: self.port,
            members: members.to_vec(),
        }))
    }

    fn move_all(&mut self) -> Result<(), UsedUp> {
        let count = self.endpoints();
        let addresses = (0..count)
            .map(|_| self.address())
            .collect::<Result<Vec<_>, _>>()?;
        for (member, address) in self.slots.all_mut().zip(addresses) {
            member.address = address;
        }
        Ok(())
    }

    fn all_slices(&self) -> Work {
        let numbers = self.slots.all().keys();
        Work::Together(numbers.map(|&number| self.slice(number, false)).collect())
    }
}
