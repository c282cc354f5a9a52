//! One look for everybody who asked before it began.
//!
//! Many targets at a time ask the same of the kernel: who listens in other namespaces, which process
//! holds which socket. Whoever asks while nobody looks, looks at once; those who ask meanwhile share
//! the next look. So an answer is never older than its question, as if everybody had looked alone.
//! While there is a crowd, looks are spaced so that they take a quarter of the time at most.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::sys::clock;

/// The longest pause between two looks.
const LONGEST_REST: Duration = Duration::from_millis(60);

/// Questions of one kind, answered together.
#[derive(Debug)]
pub struct Batch<Q, A> {
    state: Mutex<State<Q, A>>,
    ended: Condvar,
}

#[derive(Debug)]
struct State<Q, A> {
    /// Questions for the next look.
    waiting: Vec<Q>,
    /// How many looks have begun.
    begun: u64,
    /// Whether somebody looks.
    busy: bool,
    /// When the next look may begin, after one that answered several.
    rest: Option<Instant>,
    /// Answers by the number of their look, and how many have yet to take them.
    answers: BTreeMap<u64, (Arc<A>, usize)>,
}

impl<Q: Clone, A> Batch<Q, A> {
    /// Begins without questions.
    pub const fn new() -> Batch<Q, A> {
        let answers = BTreeMap::new();
        let state = State { waiting: Vec::new(), begun: 0, busy: false, rest: None, answers };
        Batch { state: Mutex::new(state), ended: Condvar::new() }
    }

    /// Asks, and waits for a look that begins after now; `look` answers several questions at once.
    pub fn ask(&self, question: &Q, look: impl FnOnce(Vec<Q>) -> A) -> Arc<A> {
        let mut state = self.lock();
        state.waiting.push(question.clone());
        let mine = state.begun + 1;
        loop {
            if let Some((answer, readers)) = state.answers.get_mut(&mine) {
                let answer = Arc::clone(answer);
                *readers -= 1;
                if *readers == 0 {
                    state.answers.remove(&mine);
                }
                return answer;
            }
            let now = clock::now();
            state = match state.rest.filter(|rest| *rest > now) {
                _ if state.busy => self.ended.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(rest) => {
                    let waited = self.ended.wait_timeout(state, rest - now);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
                None => break,
            };
        }
        let mut questions = std::mem::take(&mut state.waiting);
        if state.begun >= mine {
            // The look that was to answer us ended in a panic.
            questions.push(question.clone());
        }
        state.begun += 1;
        state.busy = true;
        drop(state);
        let others = questions.len() - 1;
        let mut looking = Looking { batch: self, answer: None, others, begun: clock::now() };
        let answer = Arc::new(look(questions));
        looking.answer = Some(Arc::clone(&answer));
        answer
    }

    fn lock(&self) -> MutexGuard<'_, State<Q, A>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<Q: Clone, A> Default for Batch<Q, A> {
    fn default() -> Self {
        Batch::new()
    }
}

/// Ends a look, also one that panics.
struct Looking<'a, Q: Clone, A> {
    batch: &'a Batch<Q, A>,
    answer: Option<Arc<A>>,
    others: usize,
    begun: Instant,
}

impl<Q: Clone, A> Drop for Looking<'_, Q, A> {
    fn drop(&mut self) {
        let mut state = self.batch.lock();
        state.busy = false;
        let rest = (self.begun.elapsed() * 3).min(LONGEST_REST);
        state.rest = (self.others > 0).then(|| clock::now() + rest);
        let number = state.begun;
        if let Some(answer) = self.answer.take().filter(|_| self.others > 0) {
            state.answers.insert(number, (answer, self.others));
        }
        drop(state);
        self.batch.ended.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Barrier;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn those_who_ask_during_a_look_share_the_next_and_get_their_own_answers() {
        static BATCH: Batch<usize, Vec<usize>> = Batch::new();
        static LOOKS: AtomicUsize = AtomicUsize::new(0);
        let inside = Barrier::new(2);
        std::thread::scope(|scope| {
            let first = scope.spawn(|| {
                BATCH.ask(&0, |questions| {
                    inside.wait();
                    // All others have asked when the first look ends.
                    while BATCH.lock().waiting.len() < 20 {
                        std::thread::yield_now();
                    }
                    LOOKS.fetch_add(1, Ordering::Relaxed);
                    questions
                })
            });
            inside.wait();
            let others: Vec<_> = (1..=20)
                .map(|number| {
                    scope.spawn(move || {
                        let answer = BATCH.ask(&number, |questions| {
                            LOOKS.fetch_add(1, Ordering::Relaxed);
                            questions
                        });
                        assert!(answer.contains(&number));
                    })
                })
                .collect();
            assert_eq!(*first.join().unwrap(), [0]);
            others.into_iter().for_each(|other| other.join().unwrap());
        });
        assert_eq!(LOOKS.load(Ordering::Relaxed), 2);
        assert!(BATCH.lock().answers.is_empty(), "nothing is kept");
    }

    #[test]
    fn a_look_that_panics_leaves_the_next_one_free() {
        let batch: Batch<u8, u8> = Batch::new();
        let ask = || batch.ask(&1, |_| panic!("as a test"));
        assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(ask)).is_err());
        assert_eq!(*batch.ask(&2, |questions| questions[0]), 2);
    }
}
