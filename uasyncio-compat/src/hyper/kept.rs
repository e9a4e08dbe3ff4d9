//! Values that stay on their thread, and tickets to them that may go anywhere.
//!
//! Hyper wants some things to be `Send` that ours are not, because they are linked into the loop of one thread. So hyper gets a ticket, and
//! the value stays in a table of its thread:
//!
//! ```text
//!   new  ──────► the value goes into the table of this thread; ticket = {place, stamp, which table}
//!   with ──────► same table? lends the value out of it; otherwise: nothing
//!   drop ──────► same table? drops the value; otherwise: leaves word, and the table's thread drops it with the next `new`
//! ```
//!
//! A ticket is plain data, so there is no promise to be made about it, and no unsafe code.

use std::any::Any;
use std::cell::RefCell;
use std::marker::PhantomData;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

thread_local! {
    static TABLE: RefCell<Table> = RefCell::default();
}

/// A ticket to a value that stays on the thread that made it.
pub(super) struct Kept<T> {
    place: usize,
    stamp: u64,
    /// Which table, and where to leave word for it.
    abandoned: Arc<Abandoned>,
    of: PhantomData<fn() -> T>,
}

/// Tickets that were dropped on other threads.
#[derive(Default)]
struct Abandoned(Mutex<Vec<(usize, u64)>>);

impl Abandoned {
    fn lock(&self) -> MutexGuard<'_, Vec<(usize, u64)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The values of one thread.
#[derive(Default)]
struct Table {
    places: Vec<Place>,
    free: Vec<usize>,
    abandoned: Arc<Abandoned>,
    stamp: u64,
}

struct Place {
    /// Not there while it is lent.
    value: Option<Box<dyn Any>>,
    /// Tells the tickets apart that have had this place; 0 while it is free.
    stamp: u64,
}

impl Table {
    fn insert(&mut self, value: Box<dyn Any>) -> (usize, u64) {
        self.stamp += 1;
        let occupied = Place { value: Some(value), stamp: self.stamp };
        let place = match self.free.pop() {
            Some(place) => {
                self.places[place] = occupied;
                place
            }
            None => {
                self.places.push(occupied);
                self.places.len() - 1
            }
        };
        (place, self.stamp)
    }

    /// Frees a place, if it is still the one that is meant.
    fn remove(&mut self, place: usize, stamp: u64) -> Option<Box<dyn Any>> {
        let occupied = self.places.get_mut(place).filter(|place| place.stamp == stamp)?;
        occupied.stamp = 0;
        self.free.push(place);
        occupied.value.take()
    }

    fn remove_abandoned(&mut self) -> Vec<Box<dyn Any>> {
        let abandoned = mem::take(&mut *self.abandoned.lock());
        abandoned.into_iter().filter_map(|(place, stamp)| self.remove(place, stamp)).collect()
    }
}

impl<T: 'static> Kept<T> {
    /// Keeps a value on this thread.
    pub(super) fn new(value: T) -> Kept<T> {
        TABLE.with(|table| {
            let abandoned = table.borrow_mut().remove_abandoned();
            // Dropped while nothing is borrowed: that may run anything.
            drop(abandoned);
            let mut table = table.borrow_mut();
            let (place, stamp) = table.insert(Box::new(value));
            Kept { place, stamp, abandoned: table.abandoned.clone(), of: PhantomData }
        })
    }

    /// Uses the value. `None`: it is another thread's.
    pub(super) fn with<R>(&self, use_it: impl FnOnce(&mut T) -> R) -> Option<R> {
        TABLE.with(|table| {
            if !Arc::ptr_eq(&table.borrow().abandoned, &self.abandoned) {
                return None;
            }
            // The table is not borrowed meanwhile: what uses the value may run anything.
            let value = table.borrow_mut().places[self.place].value.take();
            let mut lent = Lent { table, place: self.place, value };
            lent.value.as_mut()?.downcast_mut().map(use_it)
        })
    }

    /// Takes the value back. `None`: it is another thread's.
    pub(super) fn into_inner(self) -> Option<T> {
        let value = self.remove()?;
        Some(*value.downcast().ok()?)
    }
}

impl<T> Kept<T> {
    /// The value, if it is here; otherwise leaves word. Does nothing the second time.
    fn remove(&self) -> Option<Box<dyn Any>> {
        // Where the thread ends, its table may be gone, and the values with it.
        let value = TABLE.try_with(|table| {
            let mut table = table.borrow_mut();
            if Arc::ptr_eq(&table.abandoned, &self.abandoned) {
                return table.remove(self.place, self.stamp);
            }
            self.abandoned.lock().push((self.place, self.stamp));
            None
        });
        value.ok().flatten()
    }
}

impl<T> Drop for Kept<T> {
    fn drop(&mut self) {
        drop(self.remove());
    }
}

/// A value that goes back to its place, after a panic too.
struct Lent<'t> {
    table: &'t RefCell<Table>,
    place: usize,
    value: Option<Box<dyn Any>>,
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        self.table.borrow_mut().places[self.place].value = self.value.take();
    }
}
