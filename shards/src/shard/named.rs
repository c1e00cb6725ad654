//! What carriers call parts: from a carrier and its message id to the parts that may be meant. Ids of
//! messages that left memory stay for a while, the oldest give way. One per shard.

use std::collections::{HashMap, VecDeque};
use std::hash::BuildHasher;

use postrider_core::carrier_id::folded;

use super::table::PartRef;

type FixedHasher = std::hash::BuildHasherDefault<ahash::AHasher>;

/// Stands for a carrier and an id in the form under which its spellings meet. Two may share one: the
/// message's own record decides.
pub(crate) type Name = u64;

/// The name of an id that a carrier gave.
pub(crate) fn name_of(carrier: u32, id: &[u8]) -> Name {
    FixedHasher::default().hash_one((carrier, &*folded(id)))
}

/// Parts by their names.
pub(crate) struct Named {
    parts: HashMap<Name, Parts, FixedHasher>,
    /// Names of parts of messages that left, oldest first.
    left: VecDeque<(Name, PartRef)>,
    /// So many of those at most.
    most: usize,
}

/// Nearly always one.
enum Parts {
    One(PartRef),
    Many(Vec<PartRef>),
}

impl Parts {
    fn as_slice(&self) -> &[PartRef] {
        match self {
            Parts::One(part) => std::slice::from_ref(part),
            Parts::Many(parts) => parts,
        }
    }
}

impl Named {
    pub(crate) fn new(most: usize) -> Self {
        Named { parts: HashMap::default(), left: VecDeque::new(), most }
    }

    /// The parts that a name may mean.
    pub(crate) fn parts(&self, name: Name) -> &[PartRef] {
        self.parts.get(&name).map(Parts::as_slice).unwrap_or_default()
    }

    pub(crate) fn insert(&mut self, name: Name, part: PartRef) {
        let Some(found) = self.parts.get_mut(&name) else {
            self.parts.insert(name, Parts::One(part));
            return;
        };
        match found {
            _ if found.as_slice().contains(&part) => {}
            Parts::One(first) => *found = Parts::Many(vec![*first, part]),
            Parts::Many(parts) => parts.push(part),
        }
    }

    pub(crate) fn remove(&mut self, name: Name, part: PartRef) {
        let Some(found) = self.parts.get_mut(&name) else { return };
        if let Parts::Many(parts) = found {
            parts.retain(|other| *other != part);
            if !parts.is_empty() {
                return;
            }
        } else if !found.as_slice().contains(&part) {
            return;
        }
        self.parts.remove(&name);
    }

    /// The message of a part has left memory. When too many have, gives what is to be forgotten
    /// unless its message came back.
    pub(crate) fn leave(&mut self, name: Name, part: PartRef) -> Option<(Name, PartRef)> {
        self.left.push_back((name, part));
        (self.left.len() > self.most).then(|| self.left.pop_front()).flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: PartRef = PartRef { sequence: 1, part: 0 };
    const SECOND: PartRef = PartRef { sequence: 2, part: 0 };

    #[test]
    fn one_name_may_mean_several_parts() {
        let mut named = Named::new(10);
        let name = name_of(1, b"00AB");
        assert_eq!(name, name_of(1, b"ab"), "spellings meet");
        assert_ne!(name, name_of(2, b"ab"), "each carrier has names of its own");
        named.insert(name, FIRST);
        named.insert(name, FIRST);
        assert_eq!(named.parts(name), [FIRST]);
        named.insert(name, SECOND);
        assert_eq!(named.parts(name), [FIRST, SECOND]);
        named.remove(name, FIRST);
        named.remove(name, FIRST);
        assert_eq!(named.parts(name), [SECOND]);
        named.remove(name, SECOND);
        assert_eq!(named.parts(name), []);
    }

    #[test]
    fn names_of_messages_that_left_give_way() {
        let mut named = Named::new(2);
        for number in 1..=2 {
            assert_eq!(named.leave(number, FIRST), None);
        }
        assert_eq!(named.leave(3, SECOND), Some((1, FIRST)));
        assert_eq!(named.leave(4, SECOND), Some((2, FIRST)));
    }
}
