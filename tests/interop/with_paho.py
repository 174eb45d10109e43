"""paho-mqtt against a broker: with_paho.py HOST PORT [WAY CA CERTIFICATE KEY]. The way is tcp, tls,
ws or wss; with TLS the server is known by CA, and the client by its certificate. Exits with 0 if
all is well.

Prints a line for each thing tried. Everything that is waited for has a limit, and the whole has one
too. A subscription is known to be there by its SUBACK, an acknowledged message by its callback.
"""

import contextlib
import queue
import signal
import sys
import time

import paho.mqtt.client as mqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

HOST, PORT = sys.argv[1], int(sys.argv[2])
WAY, CA, CERTIFICATE, KEY = (sys.argv[3:] + ["tcp", None, None, None][len(sys.argv) - 3 :])[:4]
PATIENCE = 10
VERSIONS = {"3.1": mqtt.MQTTv31, "3.1.1": mqtt.MQTTv311, "5": mqtt.MQTTv5}
TAG = str(time.time_ns())


def properties(packet, **values):
    """Properties of a packet type."""
    made = Properties(packet)
    for name, value in values.items():
        setattr(made, name, value)
    return made


class Peer:
    """A client whose callbacks are queues."""

    def __init__(self, version, name, clean=True, connect=None, will=None):
        self.version = VERSIONS[version]
        self.is_five = self.version == mqtt.MQTTv5
        clean_session = None if self.is_five else clean
        self.client = mqtt.Client(
            mqtt.CallbackAPIVersion.VERSION2,
            client_id=name,
            clean_session=clean_session,
            protocol=self.version,
            transport="websockets" if WAY in ("ws", "wss") else "tcp",
        )
        if WAY in ("tls", "wss"):
            self.client.tls_set(ca_certs=CA, certfile=CERTIFICATE, keyfile=KEY)
        self.connected, self.messages = queue.Queue(), queue.Queue()
        self.granted, self.published, self.ended = queue.Queue(), queue.Queue(), queue.Queue()
        client = self.client
        client.on_connect = lambda c, u, flags, code, p: self.connected.put((flags, code, p))
        client.on_message = lambda c, u, message: self.messages.put(message)
        client.on_subscribe = lambda c, u, mid, codes, p: self.granted.put(codes)
        client.on_unsubscribe = lambda c, u, mid, codes, p: self.granted.put(codes)
        client.on_publish = lambda c, u, mid, code, p: self.published.put((mid, code))
        client.on_disconnect = lambda c, u, flags, code, p: self.ended.put(code)
        if will:
            client.will_set(**will)
        more = {"clean_start": clean, "properties": connect} if self.is_five else {}
        client.connect(HOST, PORT, keepalive=30, **more)
        client.loop_start()
        self.flags, code, self.properties = self.connected.get(timeout=PATIENCE)
        assert not code.is_failure, code

    def subscribe(self, *filters, **more):
        self.client.subscribe(list(filters), **more)
        return [code.value for code in self.granted.get(timeout=PATIENCE)]

    def publish(self, *arguments, **more):
        """Publishes, waits for the last acknowledgement, and returns its reason."""
        mid = self.client.publish(*arguments, **more).mid
        done, code = self.published.get(timeout=PATIENCE)
        assert done == mid, (done, mid)
        return code

    def take(self, count=1):
        """The next messages as (topic, payload, QoS, retain)."""
        messages = [self.messages.get(timeout=PATIENCE) for _ in range(count)]
        return [(m.topic, m.payload, m.qos, m.retain) for m in messages]

    def nothing(self):
        """Nothing has come that was not taken: a message to itself is the next to arrive."""
        mark = f"{TAG}/mark/{time.time_ns()}"
        self.subscribe((mark, 1))
        self.publish(mark, b"mark", qos=1)
        assert self.take() == [(mark, b"mark", 1, False)]

    def leave(self):
        self.client.disconnect()
        self.ended.get(timeout=PATIENCE)
        self.client.loop_stop()

    def die(self):
        """Ends the connection without DISCONNECT."""
        self.client.loop_stop()
        self.client.socket().close()


@contextlib.contextmanager
def peers(version, *names):
    made = [Peer(version, f"{name}-{version}") for name in names]
    yield made
    for peer in made:
        peer.leave()


def qualities(version, topic):
    """Every QoS of a message against every QoS of a subscription."""
    with peers(version, "source", "sink") as (source, sink):
        for wanted in range(3):
            assert sink.subscribe((f"{topic}/{wanted}", wanted)) == [wanted]
            for sent in range(3):
                source.publish(f"{topic}/{wanted}", b"\x00\xff", qos=sent)
                expected = (f"{topic}/{wanted}", b"\x00\xff", min(sent, wanted), False)
                assert sink.take() == [expected]


def many(version, topic):
    """A thousand messages at once, in order, at each QoS."""
    with peers(version, "source", "sink") as (source, sink):
        for qos in range(3):
            sink.subscribe((f"{topic}/{qos}", qos))
            payloads = [b"%d" % n for n in range(1000)]
            for payload in payloads:
                source.client.publish(f"{topic}/{qos}", payload, qos=qos)
            assert [payload for _, payload, _, _ in sink.take(1000)] == payloads
            for _ in payloads:
                source.published.get(timeout=PATIENCE)


def retained(version, topic):
    """Retained messages: kept, replaced, told from live ones, cleared."""
    with peers(version, "source", "sink") as (source, sink):
        source.publish(f"{topic}/a", b"old", qos=1, retain=True)
        source.publish(f"{topic}/a", b"new", qos=1, retain=True)
        source.publish(f"{topic}/b", b"other", qos=2, retain=True)
        sink.subscribe((f"{topic}/#", 1))
        kept = [(f"{topic}/a", b"new", 1, True), (f"{topic}/b", b"other", 1, True)]
        assert sorted(sink.take(2)) == kept
        source.publish(f"{topic}/a", b"live", qos=0, retain=True)
        assert sink.take() == [(f"{topic}/a", b"live", 0, False)]
        for name in "ab":
            source.publish(f"{topic}/{name}", b"", qos=1, retain=True)
        sink.take(2)
        with peers(version, "late") as (late,):
            late.subscribe((f"{topic}/#", 1))
            late.nothing()


def wills(version, topic):
    """A will is published when a client dies, and not when it leaves."""
    will = {"topic": topic, "payload": b"gone", "qos": 1, "retain": False}
    with peers(version, "sink") as (sink,):
        sink.subscribe((topic, 2))
        Peer(version, f"leaves-{version}", will=will).leave()
        sink.nothing()
        Peer(version, f"dies-{version}", will=will).die()
        assert sink.take() == [(topic, b"gone", 1, False)]


def persistent(version, topic):
    """A session keeps subscriptions and messages, until a clean one ends it."""
    name = f"kept-{version}"
    expiry = None
    if version == "5":
        expiry = properties(PacketTypes.CONNECT, SessionExpiryInterval=3600)
    first = Peer(version, name, clean=False, connect=expiry)
    assert not first.flags.session_present
    first.subscribe((topic, 2))
    first.leave()
    with peers(version, "source") as (source,):
        for n in range(50):
            source.publish(topic, b"%d" % n, qos=1)
        source.publish(topic, b"last", qos=2)
    again = Peer(version, name, clean=False, connect=expiry)
    # 3.1 has no way of saying so.
    assert again.flags.session_present or version == "3.1"
    expected = [(topic, b"%d" % n, 1, False) for n in range(50)] + [(topic, b"last", 2, False)]
    assert again.take(51) == expected
    again.leave()
    clean = Peer(version, name)
    assert not clean.flags.session_present
    clean.nothing()
    clean.leave()


def unsubscribe(version, topic):
    """What is unsubscribed from does not come any more."""
    with peers(version, "sink") as (sink,):
        sink.subscribe((f"{topic}/+", 1), (f"{topic}/+/b", 0))
        sink.client.unsubscribe(f"{topic}/+")
        sink.granted.get(timeout=PATIENCE)
        sink.publish(f"{topic}/a", b"a", qos=1)
        sink.publish(f"{topic}/a/b", b"b", qos=1)
        assert sink.take() == [(f"{topic}/a/b", b"b", 0, False)]


def shared(version, topic):
    """A shared subscription gives each message to one member, and all of them some."""
    with peers(version, "source", "one", "two", "three") as (source, *members):
        for member in members:
            assert member.subscribe((f"$share/paho/{topic}", 1), (f"{topic}/end", 1)) == [1, 1]
        for n in range(90):
            source.publish(topic, b"%d" % n, qos=1)
        source.publish(f"{topic}/end", b"", qos=1)
        taken = []
        for member in members:
            before = len(taken)
            while (message := member.take()[0])[0] == topic:
                taken.append(int(message[1]))
            assert len(taken) > before, "a member got nothing"
        assert sorted(taken) == list(range(90))


def takeover(version, topic):
    """A second client of the same name ends the first one's connection."""
    first = Peer(version, f"twin-{version}")
    first.client.reconnect_delay_set(60, 60)
    second = Peer(version, f"twin-{version}")
    code = first.ended.get(timeout=PATIENCE)
    assert code.is_failure and (version != "5" or code.value == 0x8E), code
    first.client.loop_stop()
    second.nothing()
    second.leave()


def five_properties(topic):
    """What 5.0 adds to a message arrives with it."""
    with peers("5", "source", "sink") as (source, sink):
        given = properties(PacketTypes.SUBSCRIBE, SubscriptionIdentifier=300)
        options = SubscribeOptions(qos=1, retainAsPublished=True)
        sink.client.subscribe([(topic, options)], properties=given)
        sink.granted.get(timeout=PATIENCE)
        sent = properties(
            PacketTypes.PUBLISH,
            PayloadFormatIndicator=1,
            ContentType="text/plain",
            ResponseTopic=f"{topic}/answer",
            CorrelationData=b"\x00\x01",
            MessageExpiryInterval=100,
            UserProperty=[("b", "1"), ("a", "2"), ("b", "1")],
        )
        code = source.publish(topic, "text", qos=1, retain=True, properties=sent)
        assert code.value == 0, code
        message = sink.messages.get(timeout=PATIENCE)
        got = message.properties
        assert (message.payload, message.retain) == (b"text", True)
        assert (got.PayloadFormatIndicator, got.ContentType) == (1, "text/plain")
        assert (got.ResponseTopic, got.CorrelationData) == (f"{topic}/answer", b"\x00\x01")
        assert 90 <= got.MessageExpiryInterval <= 100
        assert got.UserProperty == [("b", "1"), ("a", "2"), ("b", "1")]
        assert got.SubscriptionIdentifier == [300]
        assert source.publish(f"{topic}/none", b"", qos=1).value == 0x10
        source.publish(topic, b"", qos=1, retain=True)


def five_options(topic):
    """No local, retain handling, an assigned name, aliases, a will with a delay."""
    with peers("5", "source", "sink") as (source, sink):
        sink.client.subscribe([(topic, SubscribeOptions(qos=1, noLocal=True))])
        sink.granted.get(timeout=PATIENCE)
        sink.publish(topic, b"own", qos=1)
        source.publish(topic, b"other", qos=1, retain=True)
        assert sink.take() == [(topic, b"other", 1, False)]
        sink.client.subscribe([(topic, SubscribeOptions(qos=1, noLocal=True, retainHandling=1))])
        sink.granted.get(timeout=PATIENCE)
        sink.nothing()
        maximum = source.properties.TopicAliasMaximum
        assert maximum >= 1
        alias = properties(PacketTypes.PUBLISH, TopicAlias=maximum)
        source.publish(topic, b"named", qos=1, properties=alias)
        source.publish("", b"by alias", qos=1, properties=alias)
        assert [message[1] for message in sink.take(2)] == [b"named", b"by alias"]
        source.publish(topic, b"", qos=1, retain=True)
    nameless = Peer("5", "")
    assert nameless.properties.AssignedClientIdentifier
    nameless.leave()
    with peers("5", "sink") as (sink,):
        sink.subscribe((topic, 1))
        will = {"topic": topic, "payload": b"late", "qos": 1}
        will["properties"] = properties(PacketTypes.WILLMESSAGE, WillDelayInterval=1)
        expiry = properties(PacketTypes.CONNECT, SessionExpiryInterval=60)
        began = time.monotonic()
        Peer("5", "delayed", connect=expiry, will=will).die()
        assert sink.take() == [(topic, b"late", 1, False)]
        assert time.monotonic() - began >= 1


def main():
    signal.alarm(150)
    tried = [qualities, many, retained, wills, persistent, unsubscribe, shared, takeover]
    for version in VERSIONS:
        for attempt in tried:
            attempt(version, f"{TAG}/{version}/{attempt.__name__}")
            print(f"{version}: {attempt.__doc__}", flush=True)
    for attempt in (five_properties, five_options):
        attempt(f"{TAG}/{attempt.__name__}")
        print(f"5: {attempt.__doc__}", flush=True)


main()
