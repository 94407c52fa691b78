//! A server of a few lines, for what the real registry does not do.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

/// A request, with a body whose length was said.
#[derive(Clone)]
pub(super) struct Request {
    pub(super) method: String,
    /// Path and query.
    pub(super) target: String,
    /// The other lines of its head.
    pub(super) lines: Vec<String>,
    pub(super) body: Vec<u8>,
}

impl Request {
    /// Calls `came` when so many bytes of its body are there: each mebibyte, and at the end.
    fn read(stream: &TcpStream, came: &dyn Fn(&Self, usize)) -> Option<Self> {
        let mut reader = BufReader::new(stream);
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).ok()?;
            match line.trim_end() {
                "" => break,
                line => lines.push(line.to_owned()),
            }
        }
        let mut words = (!lines.is_empty()).then(|| lines.remove(0))?;
        words.truncate(words.rfind(' ')?);
        let (method, target) = words.split_once(' ')?;
        let mut request = Self {
            method: method.to_owned(),
            target: target.to_owned(),
            lines,
            body: Vec::new(),
        };
        let length = request
            .header("content-length")
            .map_or(0, |length| length.parse().unwrap());
        let mut body = vec![0; length];
        let mut read = 0;
        for piece in body.chunks_mut(1024 * 1024) {
            reader.read_exact(piece).ok()?;
            read += piece.len();
            came(&request, read);
        }
        request.body = body;
        Some(request)
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.lines.iter().find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    /// What a server on this computer answers to it, as it is.
    pub(super) fn forward(&self, port: u16) -> Vec<u8> {
        let mut server = TcpStream::connect(("127.0.0.1", port)).unwrap();
        let mut head = format!(
            "{} {} HTTP/1.1\r\nConnection: close\r\n",
            self.method, self.target
        );
        for line in &self.lines {
            head.push_str(line);
            head.push_str("\r\n");
        }
        server.write_all(format!("{head}\r\n").as_bytes()).unwrap();
        server.write_all(&self.body).unwrap();
        let mut answer = Vec::new();
        server.read_to_end(&mut answer).unwrap();
        answer
    }
}

/// An answer of some JSON.
pub(super) fn answer(status: &str, kind: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}")
        .into_bytes()
}

/// An answer with one more line in its head.
pub(super) fn with(answer: Vec<u8>, line: &str) -> Vec<u8> {
    let end = answer.windows(2).position(|two| two == b"\r\n").unwrap();
    let (status, rest) = answer.split_at(end);
    [status, b"\r\n", line.as_bytes(), rest].concat()
}

/// Answers whatever comes, until the process ends; tells where.
pub(super) fn serve(answer: impl Fn(&Request) -> Vec<u8> + Send + Sync + 'static) -> u16 {
    serve_stream(move |request, stream| {
        let _ = stream.write_all(&answer(request));
    })
}

/// The same, for what answers in its own time.
pub(super) fn serve_stream(answer: impl Fn(&Request, &mut TcpStream) + Send + Sync + 'static) -> u16 {
    serve_slowly(answer, |_, _| {})
}

/// The same, for what takes a request in its own time.
pub(super) fn serve_slowly(
    answer: impl Fn(&Request, &mut TcpStream) + Send + Sync + 'static,
    came: impl Fn(&Request, usize) + Send + Sync + 'static,
) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let both = Arc::new((answer, came));
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let both = Arc::clone(&both);
            thread::spawn(move || {
                let (answer, came) = &*both;
                if let Some(request) = Request::read(&stream, came) {
                    answer(&request, &mut stream);
                }
            });
        }
    });
    port
}
