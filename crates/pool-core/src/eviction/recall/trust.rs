//! Does similarity tell here what will be asked for?

use super::fading::{Fading, HALF_LIVES};
use super::record::Record;

/// By which half-life requests are counted here: the middle one.
const BY: usize = HALF_LIVES / 2;

/// How far to trust in similarity, from 0 to 1. It begins with 1.
///
/// A list that took over from another is an *heir* until it is asked for again itself. If requests tell what will be asked for,
/// heirs are asked for as often as their share of all requests says, with what they inherited. Each time that a known key is
/// asked for, trust rises if it is an heir, and falls by the heirs' share of all requests.
#[derive(Clone, Debug)]
pub(super) struct Trust {
    trust: f64,
    /// Requests for all known keys, and for heirs, fading.
    all: f64,
    heirs: f64,
    /// The unit that they are in.
    changes: u32,
}

impl Trust {
    pub(super) fn new() -> Self {
        Self { trust: 1.0, all: 0.0, heirs: 0.0, changes: 0 }
    }

    pub(super) fn get(&self) -> f64 {
        self.trust
    }

    /// A known key is about to be asked for again.
    #[inline]
    pub(super) fn request(&mut self, record: &mut Record, fading: &Fading, rate: f64) {
        // Most often, and where keys are no lists always, there is no heir.
        if self.heirs > 0.0 {
            self.learn(record, fading, rate);
        }
    }

    fn learn(&mut self, record: &mut Record, fading: &Fading, rate: f64) {
        self.refresh(fading);
        let expected = self.heirs / self.all.max(self.heirs);
        let came = if record.heir { 1.0 } else { 0.0 };
        self.trust = (self.trust + rate * (came - expected)).clamp(0.0, 1.0);
        if std::mem::take(&mut record.heir) {
            self.heirs = (self.heirs - f64::from(fading.of(&mut record.requests, BY))).max(0.0);
        }
    }

    /// So many requests were counted for a key.
    #[inline]
    pub(super) fn count(&mut self, record: &Record, fading: &Fading, times: f64) {
        self.refresh(fading);
        self.all += times * fading.request(BY);
        if record.heir {
            self.heirs += times * fading.request(BY);
        }
    }

    /// A key inherited requests.
    pub(super) fn inherit(&mut self, heir: &mut Record, fading: &Fading) {
        self.refresh(fading);
        let inherited = f64::from(fading.of(&mut heir.requests, BY));
        self.all += inherited;
        self.heirs += inherited;
        heir.heir = true;
    }

    /// A key is forgotten.
    pub(super) fn forget(&mut self, record: &mut Record, fading: &Fading) {
        self.refresh(fading);
        let requests = f64::from(fading.of(&mut record.requests, BY));
        self.all = (self.all - requests).max(0.0);
        if record.heir {
            self.heirs = (self.heirs - requests).max(0.0);
        }
    }

    #[inline]
    fn refresh(&mut self, fading: &Fading) {
        if self.changes != fading.changes() {
            let factor = fading.factor(BY, self.changes);
            self.all *= factor;
            self.heirs *= factor;
            self.changes = fading.changes();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The trust after many requests, of which so many in a hundred are for heirs; these have a tenth of all requests.
    fn trust_if(heirs_in_100: u64) -> f64 {
        let mut fading = Fading::new(1e6);
        let mut trust = Trust::new();
        for round in 0..5000 {
            fading.step();
            let mut record = Record { heir: round % 100 < heirs_in_100, asked: 1, ..Record::default() };
            fading.count(&mut record.requests, 1.0);
            (trust.all, trust.heirs, trust.changes) = (1000.0, 100.0, fading.changes());
            trust.request(&mut record, &fading, 0.001);
        }
        trust.get()
    }

    #[test]
    fn trust_goes_where_heirs_are_asked_for_less_than_expected_and_comes_back_where_not() {
        assert!(trust_if(10) > 0.9, "as often as expected");
        assert!(trust_if(30) > 0.99, "more often");
        assert!((0.4..0.6).contains(&trust_if(0)), "{}", trust_if(0));
    }

    #[test]
    fn what_heirs_inherited_is_taken_back_when_they_are_asked_for_or_forgotten() {
        let mut fading = Fading::new(640.0);
        let mut trust = Trust::new();
        let mut parent = Record { asked: 1, ..Record::default() };
        let mut heirs = [Record::default(), Record::default()];
        fading.step();
        fading.count(&mut parent.requests, 8.0);
        trust.count(&parent, &fading, 8.0);
        for heir in &mut heirs {
            heir.requests = fading.inherit(&mut parent.requests, 0.5, 3.0);
            trust.inherit(heir, &fading);
        }
        assert!(heirs[0].heir && trust.heirs > 5.9 * fading.request(BY));
        // Over many changes of unit.
        (0..5000).for_each(|_| fading.step());
        trust.request(&mut heirs[0], &fading, 0.001);
        trust.forget(&mut heirs[1], &fading);
        assert!(!heirs[0].heir);
        assert!(trust.heirs <= 1e-6 * fading.request(BY), "{}", trust.heirs);
    }
}
