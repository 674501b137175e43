//! A server that is asked: it answers what the test wants, and tells what it was asked.

use crate::support::PATIENCE;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, mpsc};

/// What it answers to a body.
type Answer = Box<dyn Fn(&str) -> (u16, String) + Send + Sync>;

pub(crate) struct Hook {
    addr: SocketAddr,
    answer: Arc<Mutex<Arc<Answer>>>,
    asked: mpsc::Receiver<String>,
}

impl Hook {
    pub(crate) fn new(answer: impl Fn(&str) -> (u16, String) + Send + Sync + 'static) -> Hook {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let answer: Arc<Mutex<Arc<Answer>>> = Arc::new(Mutex::new(Arc::new(Box::new(answer))));
        let (sender, asked) = mpsc::channel();
        let current = answer.clone();
        // It ends with the test's process.
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (answer, sender) = (current.lock().unwrap().clone(), sender.clone());
                std::thread::spawn(move || serve(stream, &answer, &sender));
            }
        });
        Hook { addr, answer, asked }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/hook?x=1", self.addr)
    }

    /// From the next question on.
    pub(crate) fn answers(&self, answer: impl Fn(&str) -> (u16, String) + Send + Sync + 'static) {
        *self.answer.lock().unwrap() = Arc::new(Box::new(answer));
    }

    /// The next thing that was asked.
    pub(crate) fn asked(&self) -> String {
        self.asked.recv_timeout(PATIENCE).expect("a question")
    }

    /// Nothing was asked that was not looked at.
    pub(crate) fn was_not_asked(&self) {
        assert!(self.asked.try_recv().is_err());
    }
}

fn serve(stream: TcpStream, answer: &Answer, asked: &mpsc::Sender<String>) {
    let mut reader = BufReader::new(stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        match reader.read_line(&mut line) {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().unwrap();
        }
        if line == "\r\n" {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    let body = String::from_utf8(body).unwrap();
    // The test may have heard enough.
    let _ = asked.send(body.clone());
    let (status, text) = answer(&body);
    let head = format!(
        "HTTP/1.1 {status} x\r\nContent-Type: application/json\r\nLocation: /elsewhere\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        text.len()
    );
    // Whoever asked may have gone.
    let _ = reader.get_mut().write_all(format!("{head}{text}").as_bytes());
}
