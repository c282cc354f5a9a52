//! Servers that behave, and servers that do not.
#![allow(unsafe_code)]

use std::future::Future;
use std::io;
use std::net::{Ipv6Addr, SocketAddr, TcpListener};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use socket2::{Domain, Socket, Type};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Handle};
use tokio::sync::Notify;

use crate::net::Host;

/// How a server treats its clients.
#[derive(Debug, Clone)]
pub(crate) enum Serve {
    /// Reads until the client has finished, says nothing, closes.
    Reads,
    /// Greets after a while, then reads until the client has finished.
    Greets(&'static str, Duration),
    /// Reads a request, answers with this, closes.
    Answers(&'static str),
    /// Accepts and never reads a byte.
    NeverReads,
    /// Listens and never accepts; the queue has room.
    NeverAccepts,
    /// Listens and never accepts; the queue is full, so further SYNs are dropped.
    QueueFull,
    /// Resets the connection when the first data arrives.
    ResetsOnData,
    /// Closes at once, without a byte.
    ClosesAtOnce,
    /// Accepts and resets at once.
    ResetsAtOnce,
}

/// The thread in which all servers of one scenario live; its end closes every socket.
pub(crate) struct Stage {
    handle: Handle,
    end: Arc<Notify>,
    thread: Option<JoinHandle<()>>,
}

impl Stage {
    pub(crate) fn open() -> io::Result<Stage> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let end = Arc::new(Notify::new());
        let ended = Arc::clone(&end);
        let thread = std::thread::Builder::new().name("servers".to_owned()).spawn(move || {
            first_in_line();
            runtime.block_on(ended.notified());
        })?;
        Ok(Stage { handle, end, thread: Some(thread) })
    }

    pub(crate) fn spawn(&self, server: impl Future<Output = io::Result<()>> + Send + 'static) {
        self.handle.spawn(server);
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.end.notify_one();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Lets this thread run before the many that stand for other machines: a server that starves among them
/// answers late, which no network here means. Only root may; without it the machine must be idle.
fn first_in_line() {
    // SAFETY: a plain system call; 0 is the calling thread (setpriority(2), Linux).
    unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, -15) };
}

/// Opens a listener for both families on the host and serves it until the stage ends.
pub(crate) fn serve(stage: &Stage, host: &Host, port: u16, how: Serve) -> io::Result<()> {
    let backlog = if matches!(how, Serve::QueueFull) { 0 } else { 128 };
    let any = SocketAddr::from((Ipv6Addr::UNSPECIFIED, port));
    serve_at(stage, host, any, backlog, how)
}

/// As [`serve`], at one address only.
pub(crate) fn serve_at(
    stage: &Stage,
    host: &Host,
    address: SocketAddr,
    backlog: i32,
    how: Serve,
) -> io::Result<()> {
    let listener: TcpListener = host.enter(|| -> io::Result<_> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
        if address.is_ipv6() {
            socket.set_only_v6(!address.ip().is_unspecified())?;
        }
        socket.set_reuse_address(true)?;
        socket.bind(&address.into())?;
        socket.listen(backlog)?;
        Ok(socket.into())
    })?;
    listener.set_nonblocking(true)?;
    if matches!(how, Serve::QueueFull) {
        let own = SocketAddr::from((std::net::Ipv4Addr::LOCALHOST, address.port()));
        let waiting = host.enter(|| fill_queue(&listener, own))?;
        stage.spawn(async move {
            let _held = (listener, waiting);
            std::future::pending().await
        });
        return Ok(());
    }
    stage.spawn(async move {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        if matches!(how, Serve::NeverAccepts) {
            return std::future::pending().await;
        }
        loop {
            let Ok((stream, _)) = listener.accept().await else { continue };
            tokio::spawn(treat(stream, how.clone()));
        }
    });
    Ok(())
}

/// Puts the one connection into the queue that a backlog of 0 takes.
fn fill_queue(listener: &TcpListener, address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.connect(&address.into())?;
    // The listener has it a moment later.
    let mut ready = [PollFd::new(listener.as_fd(), PollFlags::POLLIN)];
    match poll(&mut ready, PollTimeout::from(20_000u16))? {
        0 => Err(io::Error::other("the accept queue does not fill")),
        _ => Ok(socket),
    }
}

async fn treat(mut stream: TcpStream, how: Serve) -> io::Result<()> {
    let mut buffer = vec![0; 65_536];
    match how {
        Serve::Reads => while stream.read(&mut buffer).await? > 0 {},
        Serve::Greets(text, after) => {
            tokio::time::sleep(after).await;
            stream.write_all(text.as_bytes()).await?;
            while stream.read(&mut buffer).await? > 0 {}
        }
        Serve::Answers(text) => {
            if stream.read(&mut buffer).await? > 0 {
                stream.write_all(text.as_bytes()).await?;
            }
        }
        Serve::ResetsOnData => {
            if stream.read(&mut buffer).await? > 0 {
                stream.set_zero_linger()?;
            }
        }
        Serve::ClosesAtOnce => {}
        Serve::ResetsAtOnce => stream.set_zero_linger()?,
        Serve::NeverReads => std::future::pending().await,
        Serve::NeverAccepts | Serve::QueueFull => unreachable!("nothing was accepted"),
    }
    Ok(())
}
