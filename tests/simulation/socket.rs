//! What the second world has instead of an operating system.
//!
//! Owns: sockets that take and give as much as they like, and storage that two may hold.
//!
//! Never decides when anything happens.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::rc::Rc;

use mqtt_broker::broker::{Seq, Storage};
use mqtt_broker::persistence::{Disk, Record};
use mqtt_broker::rng::Rng;
use mqtt_broker::server::hub::Socket;
use mqtt_broker::time::Time;

use crate::machine::Vault;

/// Both directions of a connection.
pub(super) struct Pipe {
    pub(super) rng: Rng,
    pub(super) up: VecDeque<u8>,
    pub(super) down: VecDeque<u8>,
    /// Bytes the socket still takes.
    pub(super) space: usize,
    pub(super) has_ended: bool,
    pub(super) is_broken: bool,
    pub(super) is_dropped: bool,
}

pub(super) struct SimSocket(pub(super) Rc<RefCell<Pipe>>);

impl Read for SimSocket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut pipe = self.0.borrow_mut();
        if pipe.is_broken {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        if pipe.up.is_empty() {
            return if pipe.has_ended { Ok(0) } else { Err(io::ErrorKind::WouldBlock.into()) };
        }
        pipe.up.read(buffer)
    }
}

impl Write for SimSocket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut pipe = self.0.borrow_mut();
        if pipe.is_broken {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let count = bytes.len().min(pipe.space);
        if count == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        pipe.space -= count;
        pipe.down.extend(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Socket for SimSocket {
    fn shutdown_write(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for SimSocket {
    fn drop(&mut self) {
        self.0.borrow_mut().is_dropped = true;
    }
}

/// The store, and how many batches it carries out when it is next asked.
#[derive(Clone)]
pub(super) struct Shared(pub(super) Rc<RefCell<(Vault, usize)>>);

impl Disk for Shared {
    fn append(&mut self, record: Record) {
        self.0.borrow_mut().0.append(record);
    }

    fn want(&mut self, seq: Seq) {
        self.0.borrow_mut().0.want(seq);
    }

    fn commit(&mut self, now: Time) {
        let (vault, steps) = &mut *self.0.borrow_mut();
        vault.commit(now, *steps);
    }

    fn save(&mut self) -> bool {
        true
    }

    fn durable(&mut self) -> Seq {
        self.0.borrow_mut().0.durable()
    }

    fn state(&self) -> Storage {
        self.0.borrow().0.state()
    }

    fn deadline(&self) -> Option<Time> {
        None
    }

    fn broken(&self) -> Option<&str> {
        None
    }
}
