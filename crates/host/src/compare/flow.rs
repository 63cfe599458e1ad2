//! The most valuable flow through a network without cycles.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::atomic::{AtomicBool, Ordering};

/// A network whose edges lead from lower to higher nodes, each with a capacity and a value for each unit that it
/// carries.
#[derive(Clone, Debug, Default)]
pub(super) struct Network {
    nodes: usize,
    /// Edge `2 i` is the `i`th that was added, `2 i + 1` its way back.
    edges: Vec<Edge>,
}

#[derive(Clone, Copy, Debug)]
struct Edge {
    from: usize,
    to: usize,
    room: i64,
    cost: i64,
}

/// Without end, for capacities.
pub(super) const UNBOUNDED: i64 = i64::MAX / 4;

const FAR: i64 = i64::MAX / 4;

impl Network {
    pub(super) fn new(nodes: usize) -> Self {
        Self { nodes, edges: Vec::new() }
    }

    /// Adds an edge.
    pub(super) fn add(&mut self, from: usize, to: usize, capacity: i64, value: i64) {
        debug_assert!(from < to && to < self.nodes);
        self.edges.push(Edge { from, to, room: capacity, cost: -value });
        self.edges.push(Edge { from: to, to: from, room: 0, cost: value });
    }

    /// The most valuable flow of at most `units` from the first node to the last.
    ///
    /// By successive shortest paths with potentials (Ahuja, Magnanti, Orlin, "Network flows", 1993, section 9.7): each
    /// round finds the distances of all nodes by Dijkstra's algorithm on reduced costs, which are never negative, and then
    /// sends all it can along the edges that are on shortest paths. What paths are worth only falls, so it ends when
    /// they are worth nothing. Everything is in integers: the result is exact. `None` if it was told to stop, which it
    /// notices within some thousand steps.
    pub(super) fn most_valuable(&mut self, units: i64, stop: &AtomicBool) -> Option<i128> {
        let is_told = || stop.load(Ordering::Relaxed);
        let links = Links::of(self);
        if is_told() {
            return None;
        }
        let mut potential = self.first_potentials(&links);
        let (mut left, mut value) = (units, 0);
        let last = self.nodes - 1;
        let mut distance = vec![FAR; self.nodes];
        let mut heap = BinaryHeap::new();
        let mut search =
            Search { next: vec![0; self.nodes], on_path: vec![false; self.nodes], path: Vec::new() };
        while left > 0 {
            distance.fill(FAR);
            distance[0] = 0;
            heap.clear();
            heap.push(Reverse((0, 0)));
            let mut looked_at = 0_u32;
            while let Some(Reverse((far, node))) = heap.pop() {
                looked_at = looked_at.wrapping_add(1);
                if looked_at % 4096 == 0 && is_told() {
                    return None;
                }
                if far > distance[node] {
                    continue;
                }
                if node == last {
                    break;
                }
                for &name in links.from(node) {
                    let edge = self.edges[name];
                    if edge.room > 0 {
                        let there = far + edge.cost + potential[node] - potential[edge.to];
                        if there < distance[edge.to] {
                            distance[edge.to] = there;
                            heap.push(Reverse((there, edge.to)));
                        }
                    }
                }
            }
            // Nodes further than the last need no distance of their own: cut off there, reduced costs stay as they must.
            let most = distance[last];
            for (potential, distance) in potential.iter_mut().zip(&distance) {
                *potential += (*distance).min(most);
            }
            let cost = potential[last] - potential[0];
            if most == FAR || cost >= 0 {
                break;
            }
            let mut sent = 0;
            search.next.fill(0);
            while left > sent {
                if is_told() {
                    return None;
                }
                let more = search.augment(&mut self.edges, &links, &potential, left - sent, last);
                if more == 0 {
                    break;
                }
                sent += more;
            }
            left -= sent;
            value -= i128::from(cost) * i128::from(sent);
        }
        Some(value)
    }

    /// How many units go along an edge, by its place among those added.
    #[cfg(test)]
    fn along(&self, place: usize) -> i64 {
        self.edges[2 * place + 1].room
    }

    /// Distances from the first node, in one pass, for all edges lead upwards.
    fn first_potentials(&self, links: &Links) -> Vec<i64> {
        let mut potential = vec![0; self.nodes];
        for node in 0..self.nodes {
            for &name in links.from(node) {
                let edge = self.edges[name];
                if edge.room > 0 {
                    potential[edge.to] = potential[edge.to].min(potential[node] + edge.cost);
                }
            }
        }
        potential
    }
}

/// The edges that leave each node.
struct Links {
    start: Vec<usize>,
    names: Vec<usize>,
}

impl Links {
    fn of(network: &Network) -> Self {
        let mut start = vec![0; network.nodes + 1];
        for edge in &network.edges {
            start[edge.from + 1] += 1;
        }
        for node in 0..network.nodes {
            start[node + 1] += start[node];
        }
        let (mut next, mut names) = (start.clone(), vec![0; network.edges.len()]);
        for (name, edge) in network.edges.iter().enumerate() {
            names[next[edge.from]] = name;
            next[edge.from] += 1;
        }
        Self { start, names }
    }

    fn from(&self, node: usize) -> &[usize] {
        &self.names[self.start[node]..self.start[node + 1]]
    }
}

/// Looks for ways along edges of reduced cost 0, depth first; an edge that led nowhere is not tried again in a round.
struct Search {
    next: Vec<usize>,
    on_path: Vec<bool>,
    path: Vec<usize>,
}

impl Search {
    /// Sends up to `most` units along one way to `last`, and returns how many.
    fn augment(
        &mut self,
        edges: &mut [Edge],
        links: &Links,
        potential: &[i64],
        most: i64,
        last: usize,
    ) -> i64 {
        self.path.clear();
        self.on_path.fill(false);
        let mut node = 0;
        self.on_path[0] = true;
        while node != last {
            let leaving = links.from(node);
            let step = leaving[self.next[node]..].iter().position(|&name| {
                let edge = edges[name];
                edge.room > 0
                    && !self.on_path[edge.to]
                    && edge.cost + potential[edge.from] - potential[edge.to] == 0
            });
            if let Some(step) = step {
                self.next[node] += step;
                let name = leaving[self.next[node]];
                self.path.push(name);
                node = edges[name].to;
                self.on_path[node] = true;
            } else {
                self.next[node] = leaving.len();
                let Some(name) = self.path.pop() else { return 0 };
                self.on_path[node] = false;
                node = edges[name].from;
                self.next[node] += 1;
            }
        }
        let sent = self.path.iter().map(|&name| edges[name].room).min().unwrap_or(0).min(most);
        for &name in &self.path {
            edges[name].room -= sent;
            edges[name ^ 1].room += sent;
        }
        sent
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All flows, one unit at a time, by brute force.
    fn brute(edges: &[(usize, usize, i64, i64)], last: usize, units: i64) -> i64 {
        fn walk(edges: &mut Vec<(usize, usize, i64, i64)>, node: usize, last: usize, units: i64) -> i64 {
            if units == 0 {
                return 0;
            }
            if node == last {
                return walk(edges, 0, last, units - 1).max(0);
            }
            let mut best = i64::MIN / 2;
            for place in 0..edges.len() {
                let (from, to, room, value) = edges[place];
                if from == node && room > 0 {
                    edges[place].2 -= 1;
                    best = best.max(value + walk(edges, to, last, units));
                    edges[place].2 += 1;
                }
            }
            best
        }
        walk(&mut edges.to_vec(), 0, last, units).max(0)
    }

    #[test]
    fn small_networks_give_what_trying_every_flow_gives() {
        let mut random = fastish(7);
        for _ in 0..400 {
            let nodes = 3 + random(3);
            let mut edges = Vec::new();
            for node in 0..nodes - 1 {
                edges.push((node, node + 1, 2, 0));
            }
            for _ in 0..1 + random(4) {
                let from = random(nodes - 1);
                let to = from + 1 + random(nodes - 1 - from);
                edges.push((from, to, 1 + random(2) as i64, random(9) as i64));
            }
            let units = 1 + random(3) as i64;
            let mut network = Network::new(nodes);
            for &(from, to, room, value) in &edges {
                network.add(from, to, room, value);
            }
            let value = network.most_valuable(units, &AtomicBool::new(false)).unwrap();
            assert_eq!(value, i128::from(brute(&edges, nodes - 1, units)), "{edges:?}, {units}");
            let sum: i64 = edges.iter().enumerate().map(|(place, edge)| network.along(place) * edge.3).sum();
            assert_eq!(value, i128::from(sum), "the flow carries what it says");
        }
    }

    /// Numbers below `n` that look random.
    fn fastish(mut state: u64) -> impl FnMut(usize) -> usize {
        move |n| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state % n as u64) as usize
        }
    }
}
