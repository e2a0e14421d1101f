//! One connection: bytes on their way out, bytes that came in. It knows nothing of people
//! or rates.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr};

use mio::net::TcpStream;
use mio::{Interest, Registry, Token};
use socket2::{Domain, Protocol, Socket, Type};

const INBOX_BYTES: usize = 4_096;

/// See the module's documentation.
pub struct Connection {
    stream: TcpStream,
    out: Vec<u8>,
    sent: usize,
    inbox: Vec<u8>,
    filled: usize,
    /// Whether the system has said that it is connected: writing before is no use.
    writable: bool,
}

impl Connection {
    /// Begins to connect, from `source` if it is given.
    pub fn open(
        target: SocketAddr,
        source: Option<IpAddr>,
        registry: &Registry,
        token: Token,
    ) -> io::Result<Connection> {
        let socket = Socket::new(Domain::for_address(target), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_nonblocking(true)?;
        socket.set_tcp_nodelay(true)?;
        if let Some(source) = source {
            socket.bind(&SocketAddr::new(source, 0).into())?;
        }
        match socket.connect(&target.into()) {
            Ok(()) => {}
            // EINPROGRESS: the connection is made while we go on.
            Err(error) if error.kind() == ErrorKind::WouldBlock || error.raw_os_error() == Some(115) => {}
            Err(error) => return Err(error),
        }
        let mut stream = TcpStream::from_std(socket.into());
        registry.register(&mut stream, token, Interest::READABLE | Interest::WRITABLE)?;
        let inbox = vec![0; INBOX_BYTES];
        Ok(Connection { stream, out: Vec::with_capacity(512), sent: 0, inbox, filled: 0, writable: false })
    }

    /// Where the next request is put.
    pub fn out(&mut self) -> &mut Vec<u8> {
        &mut self.out
    }

    /// The system says that it takes bytes.
    pub fn set_writable(&mut self) {
        self.writable = true;
    }

    /// Sends what it can.
    pub fn flush(&mut self) -> io::Result<()> {
        while self.writable && self.sent < self.out.len() {
            match self.stream.write(&self.out[self.sent..]) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(sent) => self.sent += sent,
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.writable = false,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        if self.sent == self.out.len() {
            self.out.clear();
            self.sent = 0;
        }
        Ok(())
    }

    /// Takes in what has come; false once the other side has closed.
    pub fn fill(&mut self) -> io::Result<bool> {
        loop {
            if self.filled == self.inbox.len() {
                self.inbox.resize(self.filled * 2, 0);
            }
            match self.stream.read(&mut self.inbox[self.filled..]) {
                Ok(0) => return Ok(false),
                Ok(read) => {
                    self.filled += read;
                    // Less than there was room for: nothing is left, and what comes later
                    // is told anew.
                    if self.filled < self.inbox.len() {
                        return Ok(true);
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(true),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// The bytes that came and were not consumed.
    pub fn received(&self) -> &[u8] {
        &self.inbox[..self.filled]
    }

    /// Forgets the first `bytes`.
    pub fn consume(&mut self, bytes: usize) {
        self.inbox.copy_within(bytes..self.filled, 0);
        self.filled -= bytes;
    }
}
