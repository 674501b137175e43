//! One name or several, however a program has them.

/// The names of one or several rooms: `"a"`, `["a", "b"]`, a slice or a `Vec` of texts.
pub trait Rooms {
    /// Calls `f` with each of them.
    fn for_each_room(&self, f: &mut dyn FnMut(&str));
}

macro_rules! one {
    ($($kind:ty),*) => {
        $(impl Rooms for $kind {
            fn for_each_room(&self, f: &mut dyn FnMut(&str)) {
                f(self);
            }
        })*
    };
}

one!(str, String);

impl<T: Rooms> Rooms for [T] {
    fn for_each_room(&self, f: &mut dyn FnMut(&str)) {
        self.iter().for_each(|room| room.for_each_room(f));
    }
}

impl<T: Rooms, const N: usize> Rooms for [T; N] {
    fn for_each_room(&self, f: &mut dyn FnMut(&str)) {
        self.as_slice().for_each_room(f);
    }
}

impl<T: Rooms> Rooms for Vec<T> {
    fn for_each_room(&self, f: &mut dyn FnMut(&str)) {
        self.as_slice().for_each_room(f);
    }
}

impl<T: Rooms + ?Sized> Rooms for &T {
    fn for_each_room(&self, f: &mut dyn FnMut(&str)) {
        (**self).for_each_room(f);
    }
}

/// All of them, to keep.
pub(crate) fn owned(rooms: impl Rooms) -> Vec<compact_str::CompactString> {
    let mut all = Vec::new();
    rooms.for_each_room(&mut |room| all.push(room.into()));
    all
}
