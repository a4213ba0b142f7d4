//! What comes between a process and its store: nothing, an error, a long pause, or the end of the process.

use std::sync::{Mutex, MutexGuard, PoisonError};

use hw_store::StoreError;

use crate::wrap::{Around, Side, Turn};

/// Calls after which something that a process does counts as never coming to an end.
const CALLS_MAX: u32 = 5_000;

/// What befalls one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It fails: without an effect, or with one whose answer is lost.
    Fail,
    /// It stops there until it is told to go on.
    Stop,
    /// The process dies there.
    Kill,
}

/// What befalls which of the next calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Trouble {
    /// The number of the call, from 1.
    pub(crate) call: u8,
    pub(crate) side: Side,
    pub(crate) fate: Fate,
}

/// How something that a process did came out of its gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Passage {
    /// It waits to be told to go on, or is through.
    Open,
    /// The process died.
    Killed,
    /// It called again and again.
    Endless,
}

/// The gate of one process.
#[derive(Debug)]
pub(crate) struct Gate(Mutex<State>);

#[derive(Debug)]
struct State {
    trouble: Option<Trouble>,
    calls: u32,
    cut: bool,
    passage: Passage,
    stopped: bool,
}

impl Gate {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(State {
            trouble: None,
            calls: 0,
            cut: false,
            passage: Passage::Open,
            stopped: false,
        }))
    }

    /// Something new passes, with this before it.
    pub(crate) fn arm(&self, trouble: Option<Trouble>) {
        let mut state = self.state();
        state.trouble = trouble;
        state.calls = 0;
        state.stopped = false;
    }

    pub(crate) fn passage(&self) -> Passage {
        self.state().passage
    }

    /// Whether what passes has stopped at the gate, rather than waiting for the store itself.
    pub(crate) fn has_stopped(&self) -> bool {
        self.state().stopped
    }

    /// While it is cut off, a process reaches nothing.
    pub(crate) fn cut(&self, cut: bool) {
        self.state().cut = cut;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Around for std::sync::Arc<Gate> {
    fn turn(&self, side: Side) -> Turn {
        let mut state = self.state();
        if side == Side::Before {
            state.calls += 1;
        }
        if state.calls > CALLS_MAX {
            state.passage = Passage::Endless;
            return Turn::End;
        }
        if state.cut && side == Side::Before {
            return Turn::Fail(StoreError::Unreachable("the network is cut".to_owned()));
        }
        let calls = state.calls;
        let met = |trouble: &mut Trouble| u32::from(trouble.call) == calls && trouble.side == side;
        match state.trouble.take_if(met).map(|trouble| trouble.fate) {
            None => Turn::Go,
            Some(Fate::Fail) => Turn::Fail(StoreError::Unreachable("the connection broke".to_owned())),
            Some(Fate::Stop) => {
                state.stopped = true;
                Turn::Stop
            }
            Some(Fate::Kill) => {
                state.passage = Passage::Killed;
                Turn::End
            }
        }
    }
}
