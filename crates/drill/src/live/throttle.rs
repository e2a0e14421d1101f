//! A service with a small share of its core: stopped and continued by signals, again and again.
//!
//! Ten times its best can be offered only to a service that is much slower than whoever offers it.
//! A control group would slow it, but needs rights that a drill does not have. So whoever makes the
//! load lets the service run for a moment (`SIGCONT`) and rest for a long one (`SIGSTOP`). They do
//! it themselves, between two looks for answers: a thread apart would compete with them for the
//! same core and be late. Whatever the service ran too long is paid for by the rest that follows.
//!
//! A signal is sent to the thread of the child that works most. The kernel lets one thread take it
//! for all, the one it was sent to if it can; the process's first thread mostly sleeps, and would
//! have to wait for the core until those that work have had their turn.
//!
//! Must never touch a process that is not a child of ours, and never leave one stopped: dropped,
//! in a panic too, it lets the child go on. Should this process itself be killed, the kernel does
//! so for a child that is alone in its process group: it hangs up on and continues a group whose
//! parent has gone. Start at [`Throttle::begin`].

use std::{
    fs,
    marker::PhantomData,
    path::PathBuf,
    process::Child,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

use super::service::{Usage, usage};

/// How long a child runs, and rests.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Slice {
    /// So long it runs.
    pub run: Duration,
    /// So long it rests then.
    pub rest: Duration,
}

/// See the module's documentation.
#[derive(Debug)]
pub struct Throttle<'a> {
    id: Pid,
    busiest: Pid,
    busiest_in_proc: PathBuf,
    slice: Slice,
    is_stopped: bool,
    since: Instant,
    next: Instant,
    began: Instant,
    used_before: Option<Usage>,
    /// While it is borrowed nobody can wait for the child, so its number is its own.
    child: PhantomData<&'a Child>,
}

impl<'a> Throttle<'a> {
    /// The child runs by slices from now on, if somebody calls [`Throttle::keep`] often.
    pub fn begin(child: &'a Child, slice: Slice) -> Self {
        let now = Instant::now();
        let id = Pid::from_child(child);
        let busiest = busiest(child.id()).unwrap_or(id);
        Self {
            id,
            busiest,
            busiest_in_proc: format!("/proc/{}/task/{}", child.id(), busiest.as_raw_pid()).into(),
            slice,
            is_stopped: false,
            since: now,
            next: now + slice.run,
            began: now,
            used_before: usage(child.id()),
            child: PhantomData,
        }
    }

    /// Stops or continues the child if it is time to. Gives the time of the next change.
    pub fn keep(&mut self, now: Instant) -> Instant {
        if now < self.next {
            return self.next;
        }
        if self.is_stopped {
            self.send(Signal::CONT);
            self.next = now + self.slice.run;
        } else {
            self.send(Signal::STOP);
            let ran = now.saturating_duration_since(self.since).as_secs_f64();
            let rest = ran * self.slice.rest.as_secs_f64() / self.slice.run.as_secs_f64().max(1e-6);
            self.next = now + Duration::from_secs_f64(rest);
        }
        self.is_stopped = !self.is_stopped;
        self.since = now;
        self.next
    }

    /// The share of a core that the child really had since the beginning. The kernel tells it in
    /// hundredths of a second: of a short time it says little.
    pub fn share(&self) -> Option<f64> {
        let used_s = usage(self.id.as_raw_pid().unsigned_abs())?.cpu_s - self.used_before?.cpu_s;
        Some(used_s / self.began.elapsed().as_secs_f64().max(1e-6))
    }

    fn send(&self, signal: Signal) {
        // A thread's number may be another process's once it has ended.
        let is_its_own = self.busiest_in_proc.exists();
        // A child that has ended takes no signal, and needs none: whoever asks it will see.
        let _ = kill_process(if is_its_own { self.busiest } else { self.id }, signal);
    }
}

impl Drop for Throttle<'_> {
    fn drop(&mut self) {
        self.send(Signal::CONT);
    }
}

/// The thread of a process that has worked most.
fn busiest(id: u32) -> Option<Pid> {
    let threads = fs::read_dir(format!("/proc/{id}/task")).ok()?;
    let used = threads.filter_map(Result::ok).filter_map(|thread| {
        // A thread may end between being listed and being read.
        let text = fs::read_to_string(thread.path().join("schedstat")).ok()?;
        let used_ns: u64 = text.split_whitespace().next()?.parse().ok()?;
        Some((used_ns, thread.file_name().to_str()?.parse().ok()?))
    });
    used.max().and_then(|(_, thread)| Pid::from_raw(thread))
}
