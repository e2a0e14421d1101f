//! A place for one visit: its connection, what it waits for, and the bytes that came so far.
//!
//! Must never wait: everything here does what can be done now. Start at [`Seat::receive`].

use std::{
    io::{self, ErrorKind, Read as _, Write as _},
    sync::Arc,
    time::Instant,
};

use mio::net::TcpStream;

use super::super::http::{self, Answer, HttpError};

/// What a visit waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Step {
    /// To be connected.
    Connect,
    /// Something to read on the way to a time: so many have been read before.
    Look(u8),
    /// A place held.
    Hold,
    /// The hold confirmed.
    Confirm,
    /// The booking given back, so that its person can come again.
    Cancel,
}

/// Clinics whose days and times somebody looks at before they choose.
pub(super) const CLINICS_LOOKED_AT: usize = 10;

/// A person who visits.
#[derive(Debug, Clone)]
pub struct Visitor {
    pub(super) session: Arc<str>,
    pub(super) visits: u32,
    /// The clinics that they look at; the last one has what they want.
    pub(super) desks: [u32; CLINICS_LOOKED_AT],
    pub(super) slot: u32,
    pub(super) booking: u32,
}

impl Visitor {
    /// Who has this session.
    pub fn new(session: Arc<str>) -> Self {
        Self { session, visits: 0, desks: [0; CLINICS_LOOKED_AT], slot: 0, booking: 0 }
    }
}

/// See the module's documentation.
#[derive(Debug)]
pub(super) struct Seat {
    pub(super) stream: Option<TcpStream>,
    /// Which visit it is: what is told of an earlier one does not count.
    pub(super) visit: u32,
    pub(super) step: Step,
    /// When the person began to connect, and later when they sent their last request.
    pub(super) since: Instant,
    pub(super) visitor: Option<Visitor>,
    inbox: Vec<u8>,
}

impl Seat {
    pub(super) fn new() -> Self {
        let (step, since) = (Step::Connect, Instant::now());
        Self { stream: None, visit: 0, step, since, visitor: None, inbox: Vec::new() }
    }

    /// Takes a new visit in.
    pub(super) fn open(&mut self, stream: TcpStream, now: Instant) {
        self.stream = Some(stream);
        self.step = Step::Connect;
        self.since = now;
        self.inbox.clear();
    }

    /// Ends the visit; gives whoever was on it.
    pub(super) fn close(&mut self) -> Option<Visitor> {
        self.stream = None;
        self.visit = self.visit.wrapping_add(1);
        self.visitor.take()
    }

    /// Sends a request. It always fits into what the system keeps for an idle connection.
    pub(super) fn send(&mut self, request: &[u8]) -> io::Result<()> {
        let Some(stream) = &mut self.stream else { return Err(ErrorKind::NotConnected.into()) };
        match stream.write(request) {
            Ok(sent) if sent == request.len() => Ok(()),
            Ok(_) => Err(ErrorKind::WriteZero.into()),
            Err(error) => Err(error),
        }
    }

    /// Reads what has come; gives the answer once all of it is there.
    pub(super) fn receive(&mut self, buffer: &mut [u8]) -> Result<Option<Answer>, HttpError> {
        loop {
            let Some(stream) = &mut self.stream else { return Ok(None) };
            match stream.read(buffer) {
                Ok(0) => return Err(HttpError::Broken(ErrorKind::UnexpectedEof.into())),
                Ok(read) => {
                    self.inbox.extend_from_slice(&buffer[..read]);
                    let answer = http::answer_in(&self.inbox)?;
                    if answer.is_some() {
                        self.inbox.clear();
                        return Ok(answer);
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(HttpError::Broken(error)),
            }
        }
    }
}
