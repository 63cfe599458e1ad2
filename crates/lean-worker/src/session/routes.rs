//! Which child of a session is asked, which numbers come next, and what is gone when a child ends. No input and output.
//!
//! All children of a session count in one row, as one REPL would: each request says which numbers are next, each answer which are next then.
//! So a number belongs to the child that was asked when it was given out, for ever.

use std::collections::BTreeMap;

use crate::header::Header;

/// A child of a session. The one that follows it, behind the same header, is another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ChildId(u64);

/// What a request needs to be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Needs {
    Nothing,
    Env(u64),
    Proof(u64),
}

/// Who is to be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    Child(ChildId),
    /// The child for this header, which may have to be forked yet.
    Header(Header),
    /// Nobody: in words.
    Refused(String),
}

/// Numbers that a child's end takes away: rows, each with its first and its last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Lost {
    pub(crate) envs: Vec<(u64, u64)>,
    pub(crate) proofs: Vec<(u64, u64)>,
}

/// A child says that numbers are next which can't be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Impossible;

#[derive(Clone, Debug)]
pub(crate) struct Routes {
    next: [u64; 2],
    /// For command states and for proof states: where a row of numbers begins, where it ends, and whose they are.
    rows: [BTreeMap<u64, (u64, ChildId)>; 2],
    alive: BTreeMap<ChildId, Header>,
    /// Why children have ended that held something.
    ended: BTreeMap<ChildId, String>,
    born: u64,
    /// The header of the child that answered last.
    last: Header,
}

const ENV: usize = 0;
const PROOF: usize = 1;

impl Routes {
    pub(crate) fn new() -> Self {
        Self {
            next: [0, 0],
            rows: [BTreeMap::new(), BTreeMap::new()],
            alive: BTreeMap::new(),
            ended: BTreeMap::new(),
            born: 0,
            last: Header::Words(Vec::new()),
        }
    }

    /// The numbers that the next command state and the next proof state get.
    pub(crate) fn next(&self) -> [u64; 2] {
        self.next
    }

    /// Who is to be asked. `header`: of a request that needs nothing, if it is known.
    pub(crate) fn route(&self, needs: Needs, header: Option<Header>) -> Route {
        let (kind, number, what) = match needs {
            Needs::Nothing => return Route::Header(header.unwrap_or_else(|| self.last.clone())),
            Needs::Env(number) => (ENV, number, "environment"),
            Needs::Proof(number) => (PROOF, number, "proof state"),
        };
        match self.owner(kind, number) {
            Some(child) if self.alive.contains_key(&child) => Route::Child(child),
            Some(child) => {
                let why = self.ended.get(&child).map_or("", String::as_str);
                Route::Refused(format!("Unknown {what}. It is gone, as {why}"))
            }
            // The words of the REPL.
            None => Route::Refused(format!("Unknown {what}.")),
        }
    }

    fn owner(&self, kind: usize, number: u64) -> Option<ChildId> {
        let (_, &(end, child)) = self.rows[kind].range(..=number).next_back()?;
        (number < end).then_some(child)
    }

    /// The youngest child behind `header` that is alive.
    pub(crate) fn child_behind(&self, header: &Header) -> Option<ChildId> {
        self.alive.iter().rev().find(|(_, behind)| *behind == header).map(|(&child, _)| child)
    }

    /// A child was forked behind `header`.
    pub(crate) fn forked(&mut self, header: Header) -> ChildId {
        let child = ChildId(self.born);
        self.born += 1;
        self.alive.insert(child, header);
        child
    }

    /// A child has answered. `next`: the numbers that are free from now on. `at_most`: how many new proof states the answer has room for.
    ///
    /// # Errors
    /// If they are not what a request can lead to. Nothing has changed then.
    pub(crate) fn answered(
        &mut self,
        child: ChildId,
        next: [u64; 2],
        at_most: usize,
    ) -> Result<(), Impossible> {
        let new = |kind: usize| next[kind].checked_sub(self.next[kind]).ok_or(Impossible);
        if new(ENV)? > 1 || new(PROOF)? > at_most as u64 {
            return Err(Impossible);
        }
        for kind in [ENV, PROOF] {
            let (begin, end) = (self.next[kind], next[kind]);
            if begin == end {
                continue;
            }
            match self.rows[kind].last_entry() {
                // One row, not one for each request.
                Some(mut row) if row.get().1 == child => row.get_mut().0 = end,
                _ => {
                    self.rows[kind].insert(begin, (end, child));
                }
            }
        }
        self.next = next;
        if let Some(header) = self.alive.get(&child) {
            self.last = header.clone();
        }
        Ok(())
    }

    /// Whether `number` is one that `child` gave out, or gives out now that `next` are free.
    pub(crate) fn may_speak_of(&self, child: ChildId, needs: Needs, next: [u64; 2]) -> bool {
        let (kind, number) = match needs {
            Needs::Nothing => return true,
            Needs::Env(number) => (ENV, number),
            Needs::Proof(number) => (PROOF, number),
        };
        (self.next[kind]..next[kind]).contains(&number) || self.owner(kind, number) == Some(child)
    }

    /// A child has ended. What is gone with it.
    pub(crate) fn ended(&mut self, child: ChildId, why: &str) -> Lost {
        self.alive.remove(&child);
        let of = |kind: usize| {
            let rows = self.rows[kind].iter().filter(|(_, (_, owner))| *owner == child);
            rows.map(|(&begin, &(end, _))| (begin, end - 1)).collect::<Vec<_>>()
        };
        let lost = Lost { envs: of(ENV), proofs: of(PROOF) };
        if lost != Lost::default() {
            self.ended.insert(child, why.to_owned());
        }
        lost
    }
}

#[cfg(test)]
mod tests;
