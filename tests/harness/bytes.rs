//! Packets as bytes: the builders behind `v3` and `v5`.
//!
//! They build what they are told, valid or not; text is anything that has bytes, so that ill-formed
//! UTF-8 can be sent. `properties` is `None` below 5.0.

/// A control packet: first byte, length of the body, body.
pub(crate) fn packet(first: u8, body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    [&[first], &varint(body.len())[..], body].concat()
}

/// A variable byte integer of the least number of bytes.
pub(crate) fn varint(mut value: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = value.to_le_bytes()[0] & 0x7f;
        value >>= 7;
        if value == 0 {
            bytes.push(low);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}

/// Bytes behind their length in two bytes: a string or binary field.
pub(crate) fn text(bytes: impl AsRef<[u8]>) -> Vec<u8> {
    let bytes = bytes.as_ref();
    let length = u16::try_from(bytes.len()).expect("a field has at most 65535 bytes");
    [&length.to_be_bytes()[..], bytes].concat()
}

/// A property field: the length of all properties, then the properties.
pub(crate) fn properties(properties: &[u8]) -> Vec<u8> {
    [&varint(properties.len())[..], properties].concat()
}

fn properties_or_nothing(of: Option<&Vec<u8>>) -> Vec<u8> {
    of.map_or_else(Vec::new, |bytes| properties(bytes))
}

/// A CONNECT: a clean session without keep alive, will, user name and password until told
/// otherwise.
#[derive(Clone)]
pub(crate) struct Connect {
    pub(crate) name: Vec<u8>,
    pub(crate) level: u8,
    pub(crate) flags: u8,
    pub(crate) keep_alive: u16,
    pub(crate) properties: Option<Vec<u8>>,
    /// The payload's fields behind the client identifier, in order.
    pub(crate) fields: Vec<u8>,
    pub(crate) id: Vec<u8>,
}

impl Connect {
    /// `properties`: `Some` at level 5.
    pub(crate) fn new(
        name: &str,
        level: u8,
        id: impl AsRef<[u8]>,
        properties: Option<Vec<u8>>,
    ) -> Self {
        let (name, id) = (name.as_bytes().to_vec(), id.as_ref().to_vec());
        Self { name, level, flags: 0x02, keep_alive: 0, properties, fields: Vec::new(), id }
    }

    /// Clean session (clean start) 0.
    pub(crate) fn resume(mut self) -> Self {
        self.flags &= !0x02;
        self
    }

    pub(crate) fn flags(mut self, flags: u8) -> Self {
        self.flags = flags;
        self
    }

    pub(crate) fn keep_alive(mut self, seconds: u16) -> Self {
        self.keep_alive = seconds;
        self
    }

    /// The properties of the CONNECT itself (5.0).
    pub(crate) fn properties(mut self, properties: impl AsRef<[u8]>) -> Self {
        self.properties = Some(properties.as_ref().to_vec());
        self
    }

    /// A will, with empty properties in 5.0; before user name and password.
    pub(crate) fn will(
        self,
        qos: u8,
        retain: bool,
        topic: impl AsRef<[u8]>,
        payload: impl AsRef<[u8]>,
    ) -> Self {
        self.will_with(&[], qos, retain, topic, payload)
    }

    /// A will with properties (5.0; nowhere to put them below).
    pub(crate) fn will_with(
        mut self,
        will_properties: &[u8],
        qos: u8,
        retain: bool,
        topic: impl AsRef<[u8]>,
        payload: impl AsRef<[u8]>,
    ) -> Self {
        self.flags |= 0x04 | qos << 3 | u8::from(retain) << 5;
        if self.properties.is_some() {
            self.fields.extend(properties(will_properties));
        }
        self.field(topic).field(payload)
    }

    pub(crate) fn user(mut self, name: impl AsRef<[u8]>) -> Self {
        self.flags |= 0x80;
        self.field(name)
    }

    pub(crate) fn password(mut self, password: impl AsRef<[u8]>) -> Self {
        self.flags |= 0x40;
        self.field(password)
    }

    /// One more payload field, whatever the flags say.
    pub(crate) fn field(mut self, bytes: impl AsRef<[u8]>) -> Self {
        self.fields.extend(text(bytes));
        self
    }
}

impl From<Connect> for Vec<u8> {
    fn from(connect: Connect) -> Self {
        let body = [
            &text(&connect.name)[..],
            &[connect.level, connect.flags],
            &connect.keep_alive.to_be_bytes(),
            &properties_or_nothing(connect.properties.as_ref()),
            &text(&connect.id),
            &connect.fields,
        ];
        packet(0x10, body.concat())
    }
}

/// A PUBLISH: QoS 0, not retained, not a duplicate until told otherwise.
#[derive(Clone)]
pub(crate) struct Publish {
    flags: u8,
    topic: Vec<u8>,
    packet_id: Option<u16>,
    properties: Option<Vec<u8>>,
    payload: Vec<u8>,
}

impl Publish {
    /// `properties`: `Some` at level 5.
    pub(crate) fn new(
        topic: impl AsRef<[u8]>,
        payload: impl AsRef<[u8]>,
        properties: Option<Vec<u8>>,
    ) -> Self {
        let (topic, payload) = (topic.as_ref().to_vec(), payload.as_ref().to_vec());
        Self { flags: 0, topic, packet_id: None, properties, payload }
    }

    /// A quality of service with the packet identifier it needs.
    pub(crate) fn qos(mut self, qos: u8, packet_id: u16) -> Self {
        self.flags |= qos << 1;
        self.packet_id = Some(packet_id);
        self
    }

    /// Quality of service `qos`, and an identifier only if that is not 0.
    pub(crate) fn at(self, qos: u8, packet_id: u16) -> Self {
        if qos == 0 { self } else { self.qos(qos, packet_id) }
    }

    pub(crate) fn retain(mut self) -> Self {
        self.flags |= 0x01;
        self
    }

    pub(crate) fn dup(mut self) -> Self {
        self.flags |= 0x08;
        self
    }

    pub(crate) fn properties(mut self, properties: impl AsRef<[u8]>) -> Self {
        self.properties = Some(properties.as_ref().to_vec());
        self
    }

    /// The QoS it has, 3 included.
    pub(crate) fn quality(&self) -> u8 {
        self.flags >> 1 & 0x03
    }

    /// Its packet identifier, 0 for none.
    pub(crate) fn packet_id(&self) -> u16 {
        self.packet_id.unwrap_or(0)
    }

    /// The same under another packet identifier, if it has one.
    pub(crate) fn numbered(mut self, packet_id: u16) -> Self {
        self.packet_id = self.packet_id.map(|_| packet_id);
        self
    }
}

impl From<Publish> for Vec<u8> {
    fn from(publish: Publish) -> Self {
        let body = [
            &text(&publish.topic)[..],
            &publish.packet_id.map_or_else(Self::new, |id| id.to_be_bytes().to_vec()),
            &properties_or_nothing(publish.properties.as_ref()),
            &publish.payload,
        ];
        packet(0x30 | publish.flags, body.concat())
    }
}

/// A packet of a packet identifier and a rest: acknowledgements, SUBSCRIBE, UNSUBSCRIBE.
pub(crate) fn identified(first: u8, packet_id: u16, rest: impl AsRef<[u8]>) -> Vec<u8> {
    packet(first, [&packet_id.to_be_bytes()[..], rest.as_ref()].concat())
}

/// Topic filters, each with its option byte.
pub(crate) fn filters<F: AsRef<[u8]>>(filters: &[(F, u8)]) -> Vec<u8> {
    filters.iter().flat_map(|(filter, options)| [text(filter), vec![*options]].concat()).collect()
}
