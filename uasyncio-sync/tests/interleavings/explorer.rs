//! The scheduler: a search through all that tasks can do, depth first.
//!
//! Futures cannot be copied, so each path is run from the start. Where two paths lead to the same state of the model and of the
//! tasks, the second one ends there, unless the scenario asks for every path. So the real thing takes every step from every state of
//! the model at least once.

use std::cell::Cell;
use std::collections::HashSet;
use std::fmt::Debug;
use std::future::{Future, poll_fn};
use std::hash::Hash;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

/// The real thing.
pub(crate) trait Primitive {
    type Op: Copy + Debug;

    /// What a task holds between its operations, such as guards; dropped with the task.
    type Held<'p>: Default
    where
        Self: 'p;

    fn perform<'p>(&'p self, held: &mut Self::Held<'p>, op: Self::Op) -> impl Future<Output = i32>;

    /// What can be asked of it from outside.
    fn observe(&self) -> Vec<i32>;
}

/// What it should do, as simple as can be.
pub(crate) trait Model: Clone + Eq + Hash + Debug {
    type Op: Copy + Debug;

    fn begin(&mut self, task: usize, op: Self::Op) -> Poll<i32>;

    /// Whether a task that waits in an operation can go on now. It must have been woken then, and only then.
    fn can_go_on(&self, task: usize) -> bool;

    /// Only when it can.
    fn go_on(&mut self, task: usize, op: Self::Op) -> Poll<i32>;

    /// A task ends or is dropped, between two operations or in one.
    fn leave(&mut self, task: usize);

    fn observe(&self) -> Vec<i32>;
}

/// How far a search goes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// So many tasks are dropped at most.
    pub(crate) drops: usize,
    /// Tasks that wait are polled for nothing, too. Not with `every_path`, which would have no end.
    pub(crate) spurious: bool,
    /// No path ends early because another one has been in the same state.
    pub(crate) every_path: bool,
}

/// Every state, with spurious polls and any number of drops.
pub(crate) const STATES: Limits = Limits { drops: usize::MAX, spurious: true, every_path: false };
/// Every path, with up to two drops.
pub(crate) const PATHS: Limits = Limits { drops: 2, spurious: false, every_path: true };

/// So many paths are run at most; under Miri that is a sample.
const MOST_PATHS: usize = if cfg!(miri) { 8 } else { usize::MAX };

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Poll(usize),
    Drop(usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Place {
    /// Before its operation of this number.
    Before(usize),
    /// Waiting in it.
    In(usize),
    Ended,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct State<M> {
    model: M,
    places: Vec<Place>,
    drops: usize,
}

/// Whether the latest waker of a task has been woken. Each poll has a new one: whoever keeps an old one wakes nobody.
#[derive(Default)]
struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

struct Task<'p> {
    future: Option<Pin<Box<dyn Future<Output = ()> + 'p>>>,
    flag: Arc<Flag>,
}

/// What a step has done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Taken {
    result: Option<i32>,
    ends: bool,
}

/// One run of the real thing beside its model.
struct Run<'p, P: Primitive, M> {
    primitive: &'p P,
    programs: &'p [&'p [P::Op]],
    tasks: Vec<Task<'p>>,
    result: &'p Cell<Option<i32>>,
    state: State<M>,
    limits: Limits,
}

async fn perform_all<P: Primitive>(primitive: &P, program: &[P::Op], result: &Cell<Option<i32>>) {
    let mut held = P::Held::default();
    for (index, &op) in program.iter().enumerate() {
        if index > 0 {
            let mut is_later = false;
            poll_fn(|cx| {
                if mem::replace(&mut is_later, true) {
                    return Poll::Ready(());
                }
                cx.waker().wake_by_ref();
                Poll::Pending
            })
            .await;
        }
        result.set(Some(primitive.perform(&mut held, op).await));
    }
}

impl<'p, P: Primitive, M: Model<Op = P::Op>> Run<'p, P, M> {
    fn new(
        primitive: &'p P,
        model: &M,
        programs: &'p [&'p [P::Op]],
        result: &'p Cell<Option<i32>>,
        limits: Limits,
    ) -> Run<'p, P, M> {
        let start = |program: &&'p [P::Op]| Task {
            future: Some(Box::pin(perform_all(primitive, program, result))),
            flag: Arc::new(Flag(AtomicBool::new(true))),
        };
        let tasks = programs.iter().map(start).collect();
        let places = programs.iter().map(|_| Place::Before(0)).collect();
        let drops = limits.drops.min(programs.len());
        Run { primitive, programs, tasks, result, state: State { model: model.clone(), places, drops }, limits }
    }

    fn is_ready(&self, task: usize) -> bool {
        match self.state.places[task] {
            Place::Before(_) => true,
            Place::In(_) => self.state.model.can_go_on(task),
            Place::Ended => false,
        }
    }

    fn steps(&self) -> Vec<Step> {
        let alive = || (0..self.tasks.len()).filter(|&task| self.state.places[task] != Place::Ended);
        let polls = alive().filter(|&task| self.limits.spurious || self.is_ready(task)).map(Step::Poll);
        polls.chain(alive().filter(|_| self.state.drops > 0).map(Step::Drop)).collect()
    }

    /// Takes a step on both sides; says what is different afterwards.
    fn take(&mut self, step: Step) -> Result<(), String> {
        let (result, expected) = (self.take_real(step), self.take_in_model(step));
        if result != expected {
            return Err(format!("gives {result:?}, should be {expected:?}"));
        }
        for (index, task) in self.tasks.iter().enumerate() {
            let is_woken = task.flag.0.load(Ordering::Relaxed);
            if task.future.is_some() && is_woken != self.is_ready(index) {
                return Err(format!("then task {index} is woken: {is_woken}, should be {}", !is_woken));
            }
        }
        let (is, should_be) = (self.primitive.observe(), self.state.model.observe());
        if is == should_be { Ok(()) } else { Err(format!("then it is {is:?}, should be {should_be:?}")) }
    }

    /// The result of an operation, if one was done.
    fn take_in_model(&mut self, step: Step) -> Taken {
        let state = &mut self.state;
        let task = match step {
            Step::Poll(task) => task,
            Step::Drop(task) => {
                state.model.leave(task);
                state.places[task] = Place::Ended;
                state.drops -= 1;
                return Taken { result: None, ends: true };
            }
        };
        let program = self.programs[task];
        let (index, polled) = match state.places[task] {
            Place::Before(index) => (index, state.model.begin(task, program[index])),
            Place::In(index) if state.model.can_go_on(task) => (index, state.model.go_on(task, program[index])),
            Place::In(index) => (index, Poll::Pending),
            Place::Ended => return Taken { result: None, ends: true },
        };
        let Poll::Ready(result) = polled else {
            state.places[task] = Place::In(index);
            return Taken { result: None, ends: false };
        };
        let ends = index + 1 == program.len();
        if ends {
            state.model.leave(task);
        }
        state.places[task] = if ends { Place::Ended } else { Place::Before(index + 1) };
        Taken { result: Some(result), ends }
    }

    fn take_real(&mut self, step: Step) -> Taken {
        let (Step::Poll(index) | Step::Drop(index)) = step;
        let task = &mut self.tasks[index];
        let ends = match (&mut task.future, step) {
            (Some(future), Step::Poll(_)) => {
                task.flag = Arc::default();
                let waker = Waker::from(task.flag.clone());
                future.as_mut().poll(&mut Context::from_waker(&waker)).is_ready()
            }
            _ => true,
        };
        if ends {
            task.future = None;
        }
        Taken { result: self.result.take(), ends }
    }
}

/// A state on the present path, the steps that there were, and which one was taken.
struct Fork<M> {
    state: State<M>,
    steps: Vec<Step>,
    taken: usize,
}

impl<M> Fork<M> {
    fn step(&self) -> Step {
        self.steps[self.taken]
    }
}

/// Runs all interleavings of the programs, and says how many paths that were. Panics with the path when the real thing does not do
/// what the model does.
pub(crate) fn explore<P, M>(make: impl Fn() -> P, model: &M, programs: &[&[P::Op]], limits: Limits) -> usize
where
    P: Primitive,
    M: Model<Op = P::Op>,
{
    let mut path: Vec<Fork<M>> = Vec::new();
    let mut visited = HashSet::new();
    let mut paths = 0;
    loop {
        let (primitive, result) = (make(), Cell::new(None));
        let mut run = Run::new(&primitive, model, programs, &result, limits);
        // The way to the step that is taken for the first time.
        if let Some((last, way)) = path.split_last() {
            for fork in way {
                run.take_real(fork.step());
            }
            run.state = last.state.clone();
            check(&mut run, &path);
        }
        loop {
            let is_new = limits.every_path || visited.insert(run.state.clone());
            let steps = if is_new { run.steps() } else { Vec::new() };
            if steps.is_empty() {
                break;
            }
            path.push(Fork { state: run.state.clone(), steps, taken: 0 });
            check(&mut run, &path);
        }
        paths += 1;
        while path.last().is_some_and(|fork| fork.taken + 1 == fork.steps.len()) {
            path.pop();
        }
        match path.last_mut() {
            Some(fork) if paths < MOST_PATHS => fork.taken += 1,
            _ => return paths,
        }
    }
}

fn check<P: Primitive, M: Model<Op = P::Op>>(run: &mut Run<'_, P, M>, path: &[Fork<M>]) {
    let Some(last) = path.last() else { return };
    if let Err(difference) = run.take(last.step()) {
        let path: Vec<_> = path.iter().map(Fork::step).collect();
        panic!("{difference}\nprograms: {:?}\npath: {path:?}\nmodel: {:?}", run.programs, run.state);
    }
}

/// All programs of so many operations.
pub(crate) fn all_programs<O: Copy>(ops: &[O], length: usize) -> Vec<Vec<O>> {
    (0..length).fold(vec![Vec::new()], |programs, _| {
        programs.iter().flat_map(|program| ops.iter().map(|op| [program.as_slice(), &[*op]].concat())).collect()
    })
}

/// All teams of tasks in which each has one of all programs of `length` operations. Which task has which makes no difference.
pub(crate) fn explore_teams<P, M>(make: impl Fn() -> P, model: &M, ops: &[P::Op], length: usize, tasks: usize)
where
    P: Primitive,
    M: Model<Op = P::Op>,
{
    let programs = all_programs(ops, length);
    let mut team = vec![0; tasks];
    for round in 0.. {
        if !cfg!(miri) || round % 521 == 0 {
            let programs: Vec<_> = team.iter().map(|&index| programs[index].as_slice()).collect();
            explore(&make, model, &programs, STATES);
        }
        // The next team in which no member has a program before that of the one before.
        let Some(next) = team.iter().rposition(|&index| index + 1 < programs.len()) else { return };
        let program = team[next] + 1;
        team[next..].fill(program);
    }
}
