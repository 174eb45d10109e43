//! SCRAM-SHA-256 over MQTT 5, with a client made of nothing but the standard's formulas.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use super::*;
use crate::harness::text;

fn hmac(key: &[u8], message: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(message);
    mac.finalize().into_bytes().to_vec()
}

/// Authentication Method and Authentication Data.
fn properties(method: &str, data: &str) -> Vec<u8> {
    [&[0x15][..], &text(method), &[0x16], &text(data)].concat()
}

/// A client in the middle of the conversation.
struct Scram {
    bare: String,
    nonce: String,
}

impl Scram {
    fn new(user: &str) -> Self {
        let nonce = "fyko+d2lbbFgONRv9qkxdawL".to_owned();
        Self { bare: format!("n={user},r={nonce}"), nonce }
    }

    fn first(&self) -> String {
        format!("n,,{}", self.bare)
    }

    /// The last message, and what the server has to prove itself with.
    fn last(&self, answer: &str, password: &str) -> (String, String) {
        let field = |name: &str| {
            let fields = answer.split(',');
            fields.filter_map(|field| field.strip_prefix(name)).next().unwrap()
        };
        let (nonce, salt) = (field("r="), STANDARD.decode(field("s=")).unwrap());
        assert!(nonce.starts_with(&self.nonce) && nonce.len() > self.nonce.len() + 16);
        let rounds: u32 = field("i=").parse().unwrap();
        let mut salted = [0; 32];
        pbkdf2::pbkdf2_hmac::<Sha256>(password.as_bytes(), &salt, rounds, &mut salted);
        let key = hmac(&salted, b"Client Key");
        let unproved = format!("c=biws,r={nonce}");
        let message = format!("{},{answer},{unproved}", self.bare);
        let signature = hmac(&Sha256::digest(&key), message.as_bytes());
        let proof: Vec<u8> = key.iter().zip(signature).map(|(a, b)| a ^ b).collect();
        let server = hmac(&hmac(&salted, b"Server Key"), message.as_bytes());
        let last = format!("{unproved},p={}", STANDARD.encode(proof));
        (last, format!("v={}", STANDARD.encode(server)))
    }
}

/// Method and data of an AUTH from the server.
fn challenge(packet: &crate::harness::Packet) -> String {
    assert_eq!((packet.first(), packet.body()[0]), (0xf0, 0x18), "{packet:?}");
    let method = [&[0x15][..], &text("SCRAM-SHA-256"), &[0x16]].concat();
    let rest = packet.body()[2..].strip_prefix(&method[..]).unwrap();
    String::from_utf8(rest[2..].to_vec()).unwrap()
}

fn house() -> (House, Arc<Broker>) {
    let house = House::new();
    let users = hashed(Scheme::Scram { iterations: 4096 }, "user", "pencil")
        + &hashed(Scheme::Scram { iterations: 4096 }, "other", "pencil");
    house.write("passwd", &users);
    house.write("acl", "user user\ntopic mine\n");
    let broker =
        house.broker("allow_anonymous false\npassword_file DIR/passwd\nacl_file DIR/acl\n");
    (house, broker)
}

/// What the CONNACK or AUTH of success carries as data.
fn has(packet: &crate::harness::Packet, proof: &str) -> bool {
    let wanted = properties("SCRAM-SHA-256", proof);
    packet.body().windows(wanted.len()).any(|window| window == wanted)
}

fn come_in(broker: &Arc<Broker>, user: &str, password: &str) -> (Raw, crate::harness::Packet) {
    let mut client = Raw::to(broker);
    let scram = Scram::new(user);
    client.send(v5::connect("s").properties(properties("SCRAM-SHA-256", &scram.first())));
    let answer = challenge(&client.packet());
    let (last, proof) = scram.last(&answer, password);
    client.send(v5::auth(0x18, &properties("SCRAM-SHA-256", &last)));
    let packet = client.packet();
    if packet.body()[1] == 0 {
        assert!(has(&packet, &proof), "the server proves itself: {packet:?}");
    }
    (client, packet)
}

#[test]
pub(crate) fn a_proof_lets_in_and_gives_the_rights_of_its_user() {
    let (_house, broker) = house();
    let (mut client, connack) = come_in(&broker, "user", "pencil");
    assert_eq!((connack.first(), connack.body()[1]), (0x20, 0), "{connack:?}");
    client.send(v5::publish("mine", "1").qos(1, 1)).expect(v5::ack(0x40, 1, 0x10));
    client.send(v5::publish("other", "1").qos(1, 2)).expect(v5::ack(0x40, 2, 0x87));
    broker.expect_log("u'user'");
}

#[test]
pub(crate) fn a_wrong_proof_is_refused_like_an_unknown_name() {
    let (_house, broker) = house();
    for (user, password) in [("user", "pen"), ("nobody", "pencil")] {
        let (mut client, connack) = come_in(&broker, user, password);
        assert_eq!((connack.first(), connack.body()[1]), (0x20, 0x87), "{connack:?}");
        client.expect_closed();
    }
    broker.until_logged("Login failed from 127.0.0.1:", 2);
}

/// 5.0, 4.12.1: it goes on being served meanwhile, and stays who it is.
#[test]
pub(crate) fn it_proves_itself_anew() {
    let (_house, broker) = house();
    let (mut client, _) = come_in(&broker, "user", "pencil");
    let scram = Scram::new("user");
    for _ in 0..2 {
        client.send(v5::auth(0x19, &properties("SCRAM-SHA-256", &scram.first())));
        let answer = challenge(&client.packet());
        client.ping();
        let (last, proof) = scram.last(&answer, "pencil");
        client.send(v5::auth(0x18, &properties("SCRAM-SHA-256", &last)));
        let auth = client.packet();
        assert_eq!((auth.first(), auth.body()[0]), (0xf0, 0), "{auth:?}");
        assert!(has(&auth, &proof), "{auth:?}");
        client.ping();
    }
    // [MQTT-4.12.1-2].
    client.send(v5::auth(0x19, &properties("SCRAM-SHA-256", &scram.first())));
    let answer = challenge(&client.packet());
    let (last, _) = scram.last(&answer, "pen");
    client.send(v5::auth(0x18, &properties("SCRAM-SHA-256", &last)));
    client.expect(v5::disconnect(0x87)).expect_closed();
}

#[test]
pub(crate) fn nobody_becomes_somebody_else() {
    let (_house, broker) = house();
    let (mut client, _) = come_in(&broker, "user", "pencil");
    let scram = Scram::new("other");
    client.send(v5::auth(0x19, &properties("SCRAM-SHA-256", &scram.first())));
    let answer = challenge(&client.packet());
    let (last, _) = scram.last(&answer, "pencil");
    client.send(v5::auth(0x18, &properties("SCRAM-SHA-256", &last)));
    client.expect(v5::disconnect(0x87)).expect_closed();
    // Nor does a CONNECT that names one and proves another.
    let mut client = Raw::to(&broker);
    let first = properties("SCRAM-SHA-256", &scram.first());
    client.send(v5::connect("s").properties(first).user("user"));
    let answer = challenge(&client.packet());
    let (last, _) = scram.last(&answer, "pencil");
    client.send(v5::auth(0x18, &properties("SCRAM-SHA-256", &last)));
    assert_eq!(client.packet().body()[1], 0x87);
}

#[test]
pub(crate) fn who_does_not_keep_to_the_conversation_is_disconnected() {
    let (_house, broker) = house();
    let first = properties("SCRAM-SHA-256", &Scram::new("user").first());
    let begin = || {
        let mut client = Raw::to(&broker);
        client.send(v5::connect("s").properties(&first));
        challenge(&client.packet());
        client
    };
    // [MQTT-3.1.2-30]: nothing but AUTH and DISCONNECT.
    for packet in [b"\xc0\0".to_vec(), v5::publish("mine", "1").into(), v5::auth(0x19, &first)] {
        begin().send(packet).expect_closed();
    }
    begin().send(v5::auth(0x18, &properties("SCRAM-SHA-1", "x"))).expect_closed();
    // [MQTT-4.12.1-1]: another method; an answer nobody has asked for.
    for packet in [v5::auth(0x19, &properties("X", "y")), v5::auth(0x18, &first)] {
        let (mut client, _) = come_in(&broker, "user", "pencil");
        client.send(packet);
        assert_eq!(client.packet().first(), 0xe0);
        client.expect_closed();
    }
}
