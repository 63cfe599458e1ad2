//! Whose check is next. No input and output, no clock.
//!
//! A check belongs to a request, a request to a client. The next check is one of the client that has the fewest running now; of several the one
//! that was served longest ago. Among the requests of one client the same holds again. So whoever comes anew waits for one running check to
//! end at most, however many checks others have waiting (max-min fair shares of the processors), and nobody starves.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::hash::Hash;
use std::sync::Arc;

/// Who asks.
pub type Client = Arc<str>;

/// The number of a request.
pub type Request = u64;

/// There is no room for what was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full {
    /// Checks that wait.
    pub waiting: usize,
    /// The most that may.
    pub most: usize,
}

/// A check that is next, and whose it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken<T> {
    /// The client.
    pub client: Client,
    /// The request.
    pub request: Request,
    /// What was pushed.
    pub item: T,
}

/// Checks that wait.
#[derive(Debug)]
pub struct FairQueue<T> {
    clients: Rotation<Client>,
    requests: HashMap<Client, Rotation<Request>>,
    items: HashMap<Request, (Client, VecDeque<T>)>,
    waiting: usize,
    most: usize,
}

impl<T> FairQueue<T> {
    /// At most so many wait.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self {
            clients: Rotation::new(),
            requests: HashMap::new(),
            items: HashMap::new(),
            waiting: 0,
            most: most.max(1),
        }
    }

    /// Checks that wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiting
    }

    /// Clients that have something waiting or running.
    #[must_use]
    pub fn clients(&self) -> usize {
        self.requests.len()
    }

    /// Adds all checks of a new request, or none.
    ///
    /// # Errors
    /// There is not room for all of them.
    pub fn push(&mut self, client: &Client, request: Request, items: Vec<T>) -> Result<(), Full> {
        if items.len() > self.most - self.waiting {
            return Err(Full { waiting: self.waiting, most: self.most });
        }
        if items.is_empty() {
            return Ok(());
        }
        self.waiting += items.len();
        self.clients.wants(client);
        self.requests.entry(client.clone()).or_insert_with(Rotation::new).wants(&request);
        self.items.insert(request, (client.clone(), items.into()));
        Ok(())
    }

    /// The next check: it runs until [`ended`](Self::ended).
    pub fn pop(&mut self) -> Option<Taken<T>> {
        let client = self.clients.next()?;
        let requests = self.requests.get_mut(&client)?;
        let request = requests.next()?;
        let (_, items) = self.items.get_mut(&request)?;
        let item = items.pop_front()?;
        let has_more = !items.is_empty();
        if !has_more {
            self.items.remove(&request);
        }
        requests.served(&request, has_more);
        let has_more = requests.has_waiting();
        self.clients.served(&client, has_more);
        self.waiting -= 1;
        Some(Taken { client, request, item })
    }

    /// A check that was taken has ended.
    pub fn ended(&mut self, client: &Client, request: Request) {
        if let Some(requests) = self.requests.get_mut(client) {
            requests.ended(&request);
            self.clients.ended(client);
            self.tidy(client);
        }
    }

    /// Takes back what waits of a request.
    pub fn remove(&mut self, request: Request) -> VecDeque<T> {
        let Some((client, items)) = self.items.remove(&request) else { return VecDeque::new() };
        self.waiting -= items.len();
        if let Some(requests) = self.requests.get_mut(&client) {
            requests.wants_no_more(&request);
            if !requests.has_waiting() {
                self.clients.wants_no_more(&client);
            }
            self.tidy(&client);
        }
        items
    }

    /// Nothing is kept of a client that has nothing here.
    fn tidy(&mut self, client: &Client) {
        if self.requests.get(client).is_some_and(Rotation::is_empty) {
            self.requests.remove(client);
        }
    }
}

/// Who of several is next: the one with the fewest running, of these the one that was served, or came, longest ago.
#[derive(Debug)]
struct Rotation<K> {
    all: HashMap<K, Standing>,
    /// Those that wait.
    order: BTreeSet<(u32, u64, K)>,
    turn: u64,
}

#[derive(Debug)]
struct Standing {
    running: u32,
    turn: u64,
    waits: bool,
}

impl<K: Clone + Ord + Hash> Rotation<K> {
    fn new() -> Self {
        Self { all: HashMap::new(), order: BTreeSet::new(), turn: 0 }
    }

    fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    fn has_waiting(&self) -> bool {
        !self.order.is_empty()
    }

    fn next(&self) -> Option<K> {
        self.order.first().map(|(_, _, key)| key.clone())
    }

    fn wants(&mut self, key: &K) {
        self.turn += 1;
        let turn = self.turn;
        let standing = self.all.entry(key.clone()).or_insert(Standing { running: 0, turn, waits: false });
        if !standing.waits {
            standing.waits = true;
            self.order.insert((standing.running, standing.turn, key.clone()));
        }
    }

    fn wants_no_more(&mut self, key: &K) {
        self.change(key, |standing| standing.waits = false);
    }

    fn served(&mut self, key: &K, has_more: bool) {
        self.turn += 1;
        let turn = self.turn;
        self.change(key, |standing| {
            standing.running += 1;
            standing.turn = turn;
            standing.waits = has_more;
        });
    }

    fn ended(&mut self, key: &K) {
        self.change(key, |standing| standing.running = standing.running.saturating_sub(1));
    }

    fn change(&mut self, key: &K, change: impl FnOnce(&mut Standing)) {
        let Some(standing) = self.all.get_mut(key) else { return };
        if standing.waits {
            self.order.remove(&(standing.running, standing.turn, key.clone()));
        }
        change(standing);
        if standing.waits {
            self.order.insert((standing.running, standing.turn, key.clone()));
        } else if standing.running == 0 {
            self.all.remove(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(name: &str) -> Client {
        name.into()
    }

    #[test]
    fn single_check_waits_for_one_running_check_however_long_the_batch_of_another_is() {
        let mut queue = FairQueue::new(20_000);
        let (many, one) = (client("many"), client("one"));
        queue.push(&many, 1, (0..10_000).collect()).unwrap();
        let running: Vec<_> = (0..2).map(|_| queue.pop().unwrap()).collect();
        queue.push(&one, 2, vec![77]).unwrap();
        queue.ended(&running[0].client, running[0].request);
        let next = queue.pop().unwrap();
        assert_eq!((next.client, next.item), (one, 77), "the first place that is free is its own");
    }

    #[test]
    fn requests_of_one_client_share_alike() {
        let mut queue = FairQueue::new(20_000);
        let me = client("me");
        queue.push(&me, 1, (0..10_000).collect()).unwrap();
        queue.pop().unwrap();
        queue.push(&me, 2, vec![77]).unwrap();
        assert_eq!(queue.pop().unwrap().item, 77);
    }

    #[test]
    fn many_who_come_anew_starve_nobody() {
        let mut queue = FairQueue::new(100);
        queue.push(&client("z"), 0, vec![0]).unwrap();
        for number in 1..50 {
            queue.push(&client(&format!("a{number}")), number, vec![number]).unwrap();
        }
        assert_eq!(queue.pop().unwrap().item, 0, "who came first");
    }

    #[test]
    fn what_has_no_room_is_refused_whole_and_leaves_no_trace() {
        let mut queue = FairQueue::new(3);
        queue.push(&client("a"), 1, vec![1, 2]).unwrap();
        assert_eq!(queue.push(&client("b"), 2, vec![3, 4]), Err(Full { waiting: 2, most: 3 }));
        assert_eq!((queue.waiting(), queue.clients()), (2, 1));
        queue.push(&client("b"), 3, vec![5]).unwrap();
    }

    #[test]
    fn each_check_is_taken_or_removed_once_and_the_fewest_running_come_first() {
        let mut random = fastrand::Rng::with_seed(18);
        for _ in 0..300 {
            let mut queue = FairQueue::new(60);
            let (mut pushed, mut seen, mut next_request) = (0_u32, vec![], 0);
            let mut running: Vec<Taken<u32>> = Vec::new();
            let mut waiting: HashMap<Client, usize> = HashMap::new();
            for _ in 0..200 {
                match random.u32(0..10) {
                    0..3 => {
                        let who = client(["a", "b", "c"][random.usize(0..3)]);
                        let count = random.u32(0..12);
                        let items: Vec<u32> = (pushed..pushed + count).collect();
                        next_request += 1;
                        if queue.push(&who, next_request, items).is_ok() {
                            pushed += count;
                            *waiting.entry(who).or_default() += count as usize;
                        }
                    }
                    3..7 => {
                        let count =
                            |who: &Client| running.iter().filter(|taken| taken.client == *who).count();
                        let least = waiting.iter().filter(|(_, n)| **n > 0).map(|(who, _)| count(who)).min();
                        let taken = queue.pop();
                        assert_eq!(taken.as_ref().map(|taken| count(&taken.client)), least);
                        if let Some(taken) = taken {
                            *waiting.get_mut(&taken.client).unwrap() -= 1;
                            seen.push(taken.item);
                            running.push(taken);
                        }
                    }
                    7..9 if !running.is_empty() => {
                        let taken = running.swap_remove(random.usize(0..running.len()));
                        queue.ended(&taken.client, taken.request);
                    }
                    _ if next_request > 0 => {
                        let request = random.u64(1..=next_request);
                        let who = queue.items.get(&request).map(|(who, _)| who.clone());
                        let removed = queue.remove(request);
                        if let Some(who) = who {
                            *waiting.get_mut(&who).unwrap() -= removed.len();
                        }
                        seen.extend(removed);
                    }
                    _ => {}
                }
                assert_eq!(queue.waiting(), waiting.values().sum::<usize>());
            }
            while let Some(taken) = queue.pop() {
                seen.push(taken.item);
                queue.ended(&taken.client, taken.request);
            }
            for taken in running {
                queue.ended(&taken.client, taken.request);
            }
            seen.sort_unstable();
            assert!(seen.into_iter().eq(0..pushed), "each once");
            assert_eq!((queue.waiting(), queue.clients(), queue.items.len()), (0, 0, 0));
            assert!(queue.clients.is_empty());
        }
    }
}
