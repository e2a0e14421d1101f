//! Many connections and one loop that hands them work.
//!
//! A job keeps the instant at which it *ought* to have been sent. When all connections are busy it
//! waits in line here, and that wait counts: otherwise a slow service would slow the crowd down and
//! look fast (coordinated omission). Must never drop a job: each one comes back as [`Done`].
//! Start at [`Workers::submit`].

use std::{collections::VecDeque, time::Duration};

use tokio::{sync::mpsc, time::Instant};

use super::{Answer, Connection, HttpError, Target};

/// A request of somebody.
#[derive(Debug)]
pub struct Job<T> {
    /// What the loop needs to know when the answer comes.
    pub about: T,
    /// When it ought to be sent.
    pub intended_at: Instant,
    /// From the sending, not from `intended_at`.
    pub time_max: Duration,
    /// The request, written out.
    pub bytes: Vec<u8>,
}

/// A job that is done, one way or the other.
#[derive(Debug)]
pub struct Done<T> {
    /// As in the job.
    pub about: T,
    /// As in the job.
    pub intended_at: Instant,
    /// When a connection took it up.
    pub sent_at: Instant,
    /// When it had a connection: whoever is kept out waits before that.
    pub ready_at: Instant,
    /// When the answer was complete, or given up.
    pub done_at: Instant,
    /// The answer.
    pub result: Result<Answer, HttpError>,
}

/// A bounded set of connections. Dropped, it closes them all.
#[derive(Debug)]
pub struct Workers<T> {
    workers: Vec<mpsc::Sender<Job<T>>>,
    idle: Vec<usize>,
    line: VecDeque<Job<T>>,
    done: mpsc::Receiver<(usize, Done<T>)>,
}

impl<T: Send + 'static> Workers<T> {
    /// `connections` connections to `target`, opened when they are first needed.
    pub fn start(target: &Target, connections: usize) -> Self {
        let (report, done) = mpsc::channel(connections.max(1));
        let spawn = |number| {
            let (sender, jobs) = mpsc::channel(1);
            tokio::spawn(work(number, Connection::new(target.clone()), jobs, report.clone()));
            sender
        };
        let workers: Vec<_> = (0..connections.max(1)).map(spawn).collect();
        Self { idle: (0..workers.len()).rev().collect(), workers, line: VecDeque::new(), done }
    }

    /// Hands a job to an idle connection, or puts it in line.
    pub fn submit(&mut self, job: Job<T>) {
        match self.idle.pop() {
            Some(number) => self.hand(number, job),
            None => self.line.push_back(job),
        }
    }

    /// Jobs that wait for a connection.
    pub fn in_line(&self) -> usize {
        self.line.len()
    }

    /// Jobs at a connection.
    pub fn in_flight(&self) -> usize {
        self.workers.len() - self.idle.len()
    }

    /// The next job that is done. Waits for ever when none is under way.
    pub async fn next(&mut self) -> Done<T> {
        // Every worker holds a sender and lives as long as `self`.
        let (number, done) = self.done.recv().await.expect("a worker ended before its pool");
        self.freed(number);
        done
    }

    /// A job that is done already, if there is one.
    pub fn try_next(&mut self) -> Option<Done<T>> {
        let (number, done) = self.done.try_recv().ok()?;
        self.freed(number);
        Some(done)
    }

    fn freed(&mut self, number: usize) {
        match self.line.pop_front() {
            Some(job) => self.hand(number, job),
            None => self.idle.push(number),
        }
    }

    fn hand(&mut self, number: usize, job: Job<T>) {
        let handed = self.workers[number].try_send(job);
        assert!(handed.is_ok(), "an idle worker takes a job");
    }
}

async fn work<T: Send>(
    number: usize,
    mut connection: Connection,
    mut jobs: mpsc::Receiver<Job<T>>,
    report: mpsc::Sender<(usize, Done<T>)>,
) {
    while let Some(job) = jobs.recv().await {
        let sent_at = Instant::now();
        let result = connection.send(&job.bytes, job.time_max).await;
        let Job { about, intended_at, .. } = job;
        // Without a connection there was nothing but waiting for one.
        let ready_at = connection.ready_at().max(sent_at);
        let done = Done { about, intended_at, sent_at, ready_at, done_at: Instant::now(), result };
        if report.send((number, done)).await.is_err() {
            return;
        }
    }
}
