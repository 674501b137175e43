//! What few links have, by their slot: nothing is stored for the others while nobody has it.

/// A table beside that of the links. Looking into an empty one is one comparison.
#[derive(Debug)]
pub(super) struct Side<T>(Vec<Option<T>>);

impl<T> Side<T> {
    pub(super) const fn new() -> Side<T> {
        Side(Vec::new())
    }

    pub(super) fn get(&self, slot: u32) -> Option<&T> {
        self.0.get(slot as usize)?.as_ref()
    }

    pub(super) fn get_mut(&mut self, slot: u32) -> Option<&mut T> {
        self.0.get_mut(slot as usize)?.as_mut()
    }

    pub(super) fn insert(&mut self, slot: u32, value: T) {
        let slot = slot as usize;
        if slot >= self.0.len() {
            self.0.resize_with(slot + 1, || None);
        }
        self.0[slot] = Some(value);
    }

    pub(super) fn remove(&mut self, slot: u32) -> Option<T> {
        self.0.get_mut(slot as usize)?.take()
    }

    /// Gives unused capacity back to the allocator.
    pub(super) fn trim(&mut self) {
        while self.0.last().is_some_and(Option::is_none) {
            self.0.pop();
        }
        self.0.shrink_to_fit();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_removed_is_given_back() {
        let mut side = Side::new();
        assert_eq!(side.get(3), None);
        assert_eq!(side.remove(u32::MAX), None);
        side.insert(3, "three");
        side.insert(900, "nine hundred");
        *side.get_mut(3).unwrap() = "3";
        assert_eq!(side.remove(900), Some("nine hundred"));
        side.trim();
        assert_eq!((side.0.len(), side.get(3), side.get(4)), (4, Some(&"3"), None));
        assert_eq!(side.remove(3), Some("3"));
        side.trim();
        assert_eq!(side.0.capacity(), 0);
    }
}
