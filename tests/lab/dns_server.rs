//! A name server whose every answer is programmed.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use hickory_proto::op::{Edns, Message, MessageType, ResponseCode};
use hickory_proto::rr::rdata::{A, AAAA, CNAME, SOA};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::net::Host;
use crate::servers::Stage;

/// The answer to one question.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    /// These addresses; of the asked family only, so none of that family is an empty answer.
    Addresses(Vec<IpAddr>),
    /// An alias.
    Alias(String),
    /// A bare response code.
    Code(ResponseCode),
    /// Nothing, ever.
    Silence,
    /// Another answer, late.
    Late(Duration, Box<Answer>),
    /// A truncated answer over UDP, and this one over TCP.
    Truncated(Box<Answer>),
}

/// What a name server knows. A name that it does not know does not exist.
#[derive(Debug, Clone, Default)]
pub(crate) struct Zone {
    names: HashMap<String, Answer>,
    every: Option<Answer>,
    no_tcp: bool,
}

impl Zone {
    /// The names that most scenarios use: `www` has both families, `four` and `six` one each.
    pub(crate) fn usual() -> Zone {
        Zone::default()
            .name("www.lab.test", &["10.4.3.2", "fd04:3::2"])
            .name("four.lab.test", &["10.4.3.2"])
            .name("six.lab.test", &["fd04:3::2"])
            .name("empty.lab.test", &[])
    }

    /// A server that says the same to every question.
    pub(crate) fn always(answer: Answer) -> Zone {
        Zone { every: Some(answer), ..Zone::default() }
    }

    pub(crate) fn name(self, name: &str, addresses: &[&str]) -> Zone {
        let addresses = addresses.iter().map(|a| a.parse().expect("an address")).collect();
        self.answer(name, Answer::Addresses(addresses))
    }

    pub(crate) fn alias(self, name: &str, to: &str) -> Zone {
        self.answer(name, Answer::Alias(to.to_owned()))
    }

    pub(crate) fn answer(mut self, name: &str, answer: Answer) -> Zone {
        self.names.insert(name.to_owned(), answer);
        self
    }

    /// The server has no TCP port.
    pub(crate) fn without_tcp(mut self) -> Zone {
        self.no_tcp = true;
        self
    }

    /// Answers one message, with the delay of the answer; none is silence.
    fn respond(&self, query: &[u8], over_tcp: bool) -> Option<(Duration, Vec<u8>)> {
        let query = Message::from_vec(query).ok()?;
        let question = query.queries.first()?.clone();
        let mut response = Message::response(query.metadata.id, query.metadata.op_code);
        response.metadata.message_type = MessageType::Response;
        response.metadata.recursion_desired = query.metadata.recursion_desired;
        response.metadata.recursion_available = true;
        response.add_query(question.clone());
        if query.edns.is_some() {
            let mut edns = Edns::new();
            edns.set_max_payload(1232);
            response.set_edns(edns);
        }
        let mut late = Duration::ZERO;
        let mut name = question.name().clone();
        let mut truncated = false;
        let mut answer = self.look_up(&name);
        for _ in 0..20 {
            match answer {
                Answer::Silence => return None,
                Answer::Late(by, then) => {
                    late += by;
                    answer = *then;
                }
                Answer::Truncated(then) => {
                    truncated = !over_tcp;
                    answer = *then;
                }
                Answer::Alias(to) => {
                    let to = Name::from_str(&format!("{to}.")).expect("a name");
                    response.add_answer(record(&name, RData::CNAME(CNAME(to.clone()))));
                    answer = self.look_up(&to);
                    name = to;
                }
                Answer::Code(code) => {
                    response.metadata.response_code = code;
                    break;
                }
                Answer::Addresses(addresses) => {
                    for address in addresses {
                        match (address, question.query_type()) {
                            (IpAddr::V4(v4), RecordType::A) => {
                                response.add_answer(record(&name, RData::A(A(v4))));
                            }
                            (IpAddr::V6(v6), RecordType::AAAA) => {
                                response.add_answer(record(&name, RData::AAAA(AAAA(v6))));
                            }
                            _ => {}
                        }
                    }
                    break;
                }
            }
        }
        let code = response.metadata.response_code;
        let found = response.answers.iter().any(|r| r.record_type() == question.query_type());
        if !found && matches!(code, ResponseCode::NoError | ResponseCode::NXDomain) {
            let zone = Name::from_str("lab.test.").expect("a name");
            let soa = SOA::new(zone.clone(), zone.clone(), 1, 3600, 600, 86_400, 60);
            response.add_authority(record(&zone, RData::SOA(soa)));
        }
        if truncated {
            response.metadata.truncation = true;
            response.answers.clear();
        }
        Some((late, response.to_vec().ok()?))
    }

    fn look_up(&self, name: &Name) -> Answer {
        let name = name.to_ascii().trim_end_matches('.').to_ascii_lowercase();
        let known = self.every.as_ref().or_else(|| self.names.get(&name));
        known.cloned().unwrap_or(Answer::Code(ResponseCode::NXDomain))
    }
}

fn record(name: &Name, data: RData) -> Record {
    Record::from_rdata(name.clone(), 300, data)
}

/// Opens the server's sockets on the host and serves until the stage ends.
pub(crate) fn serve(stage: &Stage, host: &Host, address: &str, zone: Zone) -> io::Result<()> {
    let address = SocketAddr::new(address.parse().map_err(io::Error::other)?, 53);
    let zone = Arc::new(zone);
    let udp = host.enter(|| std::net::UdpSocket::bind(address))?;
    udp.set_nonblocking(true)?;
    let tcp = match zone.no_tcp {
        true => None,
        false => {
            let listener = host.enter(|| std::net::TcpListener::bind(address))?;
            listener.set_nonblocking(true)?;
            Some(listener)
        }
    };
    let over_udp = Arc::clone(&zone);
    stage.spawn(async move {
        let socket = Arc::new(tokio::net::UdpSocket::from_std(udp)?);
        let mut buffer = [0; 4096];
        loop {
            let Ok((size, from)) = socket.recv_from(&mut buffer).await else { continue };
            if let Some((late, bytes)) = over_udp.respond(&buffer[..size], false) {
                let socket = Arc::clone(&socket);
                tokio::spawn(async move {
                    tokio::time::sleep(late).await;
                    let _ = socket.send_to(&bytes, from).await;
                });
            }
        }
    });
    let Some(tcp) = tcp else { return Ok(()) };
    stage.spawn(async move {
        let listener = tokio::net::TcpListener::from_std(tcp)?;
        loop {
            let Ok((mut stream, _)) = listener.accept().await else { continue };
            let zone = Arc::clone(&zone);
            tokio::spawn(async move {
                while let Ok(size) = stream.read_u16().await {
                    let mut query = vec![0; size.into()];
                    stream.read_exact(&mut query).await?;
                    if let Some((late, bytes)) = zone.respond(&query, true) {
                        tokio::time::sleep(late).await;
                        stream.write_u16(bytes.len() as u16).await?;
                        stream.write_all(&bytes).await?;
                    }
                }
                io::Result::Ok(())
            });
        }
    });
    Ok(())
}
