// MQTT.js against a broker: node with_mqtt_js.mjs HOST PORT [WAY CA CERTIFICATE KEY], with the
// library in $INTEROP_NODE/node_modules. The way is tcp, tls, ws or wss; with TLS the server is
// known by CA, and the client by its certificate. Exits with 0 if all is well.
//
// Prints a line for each thing tried. Everything that is waited for has a limit, and the whole has
// one too.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import process from 'node:process';

const mqtt = createRequire(`${process.env.INTEROP_NODE}/`)('mqtt');
const [HOST, PORT, WAY = 'tcp', ...FILES] = process.argv.slice(2);
const [ca, cert, key] = FILES.map((file) => readFileSync(file));
const PROTOCOL = { tcp: 'mqtt', tls: 'mqtts', ws: 'ws', wss: 'wss' }[WAY];
const PATIENCE = 10_000;
const TAG = `js${process.pid}`;

/** The event, or a failure after a while. */
async function next(emitter, event) {
  return once(emitter, event, { signal: AbortSignal.timeout(PATIENCE) });
}

/** A connected client; the messages it gets are a queue. */
class Peer {
  static async connect(version, name, options = {}) {
    const peer = new Peer();
    const protocol = version === '3.1' ? { protocolId: 'MQIsdp', protocolVersion: 3 } : {};
    peer.client = mqtt.connect({
      host: HOST,
      port: Number(PORT),
      protocol: PROTOCOL,
      ...(WAY === 'tls' || WAY === 'wss' ? { ca, cert, key } : {}),
      protocolVersion: version === '5' ? 5 : 4,
      ...protocol,
      clientId: name,
      reconnectPeriod: 0,
      connectTimeout: PATIENCE,
      ...options,
    });
    peer.messages = [];
    peer.client.on('message', (topic, payload, { qos, retain, properties }) => {
      peer.messages.push({ topic, payload: payload.toString(), qos, retain, properties });
      peer.client.emit('queued');
    });
    [peer.connack] = await next(peer.client, 'connect');
    return peer;
  }

  async subscribe(...filters) {
    return this.client.subscribeAsync(...filters);
  }

  async publish(topic, payload, options = {}) {
    return this.client.publishAsync(topic, payload, options);
  }

  /** The next messages with their properties. */
  async whole(count = 1) {
    while (this.messages.length < count) await next(this.client, 'queued');
    return this.messages.splice(0, count);
  }

  /** The next messages as [topic, payload, QoS, retain]. */
  async take(count = 1) {
    const whole = await this.whole(count);
    return whole.map(({ topic, payload, qos, retain }) => [topic, payload, qos, retain]);
  }

  /** Nothing has come that was not taken: a message to itself is the next to arrive. */
  async nothing() {
    const mark = `${TAG}/mark/${process.hrtime.bigint()}`;
    await this.subscribe(mark, { qos: 1 });
    await this.publish(mark, 'mark', { qos: 1 });
    assert.deepEqual(await this.take(), [[mark, 'mark', 1, false]]);
  }

  async leave() {
    await this.client.endAsync();
  }

  /** Ends the connection without DISCONNECT. */
  die() {
    this.client.stream.destroy();
  }
}

/** Runs with connected peers, which leave afterwards. */
async function peers(version, names, run) {
  const made = await Promise.all(names.map((name) => Peer.connect(version, `${name}${version}`)));
  await run(...made);
  await Promise.all(made.map((peer) => peer.leave()));
}

const inEveryVersion = {
  'Every QoS of a message against every QoS of a subscription.': async (version, topic) => {
    await peers(version, ['source', 'sink'], async (source, sink) => {
      for (const wanted of [0, 1, 2]) {
        const [granted] = await sink.subscribe(`${topic}/${wanted}`, { qos: wanted });
        assert.equal(granted.qos, wanted);
        for (const sent of [0, 1, 2]) {
          await source.publish(`${topic}/${wanted}`, 'text', { qos: sent });
          const expected = [[`${topic}/${wanted}`, 'text', Math.min(sent, wanted), false]];
          assert.deepEqual(await sink.take(), expected);
        }
      }
    });
  },

  'Retained messages: kept, replaced, told from live ones, cleared.': async (version, topic) => {
    await peers(version, ['source', 'sink', 'late'], async (source, sink, late) => {
      const retain = { qos: 1, retain: true };
      await source.publish(`${topic}/a`, 'old', retain);
      await source.publish(`${topic}/a`, 'new', retain);
      await sink.subscribe(`${topic}/#`, { qos: 2 });
      assert.deepEqual(await sink.take(), [[`${topic}/a`, 'new', 1, true]]);
      await source.publish(`${topic}/a`, '', retain);
      assert.deepEqual(await sink.take(), [[`${topic}/a`, '', 1, false]]);
      await late.subscribe(`${topic}/#`, { qos: 2 });
      await late.nothing();
    });
  },

  'A will is published when a client dies, and not when it leaves.': async (version, topic) => {
    await peers(version, ['sink'], async (sink) => {
      await sink.subscribe(topic, { qos: 2 });
      const will = { topic, payload: Buffer.from('gone'), qos: 1, retain: false };
      const leaves = await Peer.connect(version, `leaves${version}`, { will });
      await leaves.leave();
      await sink.nothing();
      const dies = await Peer.connect(version, `dies${version}`, { will });
      dies.die();
      assert.deepEqual(await sink.take(), [[topic, 'gone', 1, false]]);
    });
  },

  'A session keeps subscriptions and messages, until a clean one ends it.': async (
    version,
    topic,
  ) => {
    const name = `kept${version}`;
    const expiry = version === '5' ? { properties: { sessionExpiryInterval: 3600 } } : {};
    const kept = { clean: false, ...expiry };
    const first = await Peer.connect(version, name, kept);
    assert.equal(first.connack.sessionPresent, false);
    await first.subscribe(topic, { qos: 2 });
    await first.leave();
    await peers(version, ['source'], async (source) => {
      for (let n = 0; n < 50; n += 1) await source.publish(topic, `${n}`, { qos: 1 + (n % 2) });
    });
    const again = await Peer.connect(version, name, kept);
    assert.ok(again.connack.sessionPresent || version === '3.1'); // 3.1 has no way of saying so.
    const payloads = (await again.take(50)).map((message) => Number(message[1]));
    assert.deepEqual(
      payloads.sort((a, b) => a - b),
      [...Array(50).keys()],
    );
    await again.leave();
    const clean = await Peer.connect(version, name);
    assert.equal(clean.connack.sessionPresent, false);
    await clean.nothing();
    await clean.leave();
  },

  'A shared subscription gives each message to one member, and all of them some.': async (
    version,
    topic,
  ) => {
    await peers(version, ['source', 'one', 'two'], async (source, ...members) => {
      for (const member of members) {
        await member.subscribe([`$share/js/${topic}`, `${topic}/end`], { qos: 1 });
      }
      for (let n = 0; n < 60; n += 1) await source.publish(topic, `${n}`, { qos: 1 });
      await source.publish(`${topic}/end`, '', { qos: 1 });
      const taken = [];
      for (const member of members) {
        const before = taken.length;
        for (;;) {
          const [[name, payload]] = await member.take();
          if (name !== topic) break;
          taken.push(Number(payload));
        }
        assert.ok(taken.length > before, 'a member got nothing');
      }
      assert.deepEqual(
        taken.sort((a, b) => a - b),
        [...Array(60).keys()],
      );
    });
  },

  'A thousand messages at once, all of them once, at each QoS.': async (version, topic) => {
    await peers(version, ['source', 'sink'], async (source, sink) => {
      for (const qos of [0, 1, 2]) {
        await sink.subscribe(`${topic}/${qos}`, { qos });
        const numbers = [...Array(1000).keys()];
        // The library does not obey the broker's Receive Maximum; that is left to the program.
        const { receiveMaximum = numbers.length } = source.connack.properties ?? {};
        for (let n = 0; n < numbers.length; n += receiveMaximum) {
          const some = numbers.slice(n, n + receiveMaximum);
          await Promise.all(some.map((n) => source.publish(`${topic}/${qos}`, `${n}`, { qos })));
        }
        const payloads = (await sink.take(1000)).map((message) => Number(message[1]));
        assert.deepEqual(payloads, numbers);
      }
    });
  },

  'What is unsubscribed from does not come any more.': async (version, topic) => {
    await peers(version, ['sink'], async (sink) => {
      await sink.subscribe(topic, { qos: 1 });
      await sink.client.unsubscribeAsync(topic);
      await sink.publish(topic, 'unheard', { qos: 1 });
      await sink.nothing();
    });
  },
};

const inFive = {
  'What 5.0 adds to a message arrives with it.': async (topic) => {
    await peers('5', ['source', 'sink'], async (source, sink) => {
      await sink.subscribe(topic, { qos: 1, properties: { subscriptionIdentifier: 300 } });
      const properties = {
        payloadFormatIndicator: true,
        contentType: 'text/plain',
        responseTopic: `${topic}/answer`,
        correlationData: Buffer.from([0, 1]),
        userProperties: { one: ['1', '2'], two: '3' },
      };
      const sent = { ...properties, messageExpiryInterval: 100 };
      await source.publish(topic, 'text', { qos: 1, properties: sent });
      const [{ payload, properties: got }] = await sink.whole();
      const { messageExpiryInterval, subscriptionIdentifier, topicAlias, ...rest } = got;
      assert.equal(payload, 'text');
      assert.ok(messageExpiryInterval > 90 && messageExpiryInterval <= 100);
      assert.equal(subscriptionIdentifier, 300);
      assert.deepEqual({ ...rest, userProperties: { ...rest.userProperties } }, properties);
    });
  },

  'No local and retain as published are obeyed.': async (topic) => {
    await peers('5', ['source', 'sink'], async (source, sink) => {
      await sink.subscribe(topic, { qos: 1, nl: true, rap: true });
      await sink.publish(topic, 'own', { qos: 1 });
      await source.publish(topic, 'other', { qos: 1, retain: true });
      assert.deepEqual(await sink.take(), [[topic, 'other', 1, true]]);
      await source.publish(topic, '', { qos: 1, retain: true });
    });
  },

  'Topic aliases work in both directions.': async (topic) => {
    const aliasing = { autoAssignTopicAlias: true, properties: { topicAliasMaximum: 5 } };
    const peer = await Peer.connect('5', 'aliasing', aliasing);
    assert.ok(peer.connack.properties.topicAliasMaximum >= 1);
    await peer.subscribe(`${topic}/+`, { qos: 0 });
    const topics = [1, 2, 1, 2, 1].map((n) => `${topic}/${n}`);
    for (const name of topics) await peer.publish(name, 'text');
    assert.deepEqual(
      (await peer.take(topics.length)).map((message) => message[0]),
      topics,
    );
    await peer.leave();
  },

  'A taken over client hears why.': async () => {
    const first = await Peer.connect('5', 'twin');
    const told = next(first.client, 'disconnect');
    const second = await Peer.connect('5', 'twin');
    assert.equal((await told)[0].reasonCode, 0x8e);
    await second.nothing();
    await second.leave();
  },
};

setTimeout(() => {
  console.error('gave up');
  process.exit(2);
}, 120_000).unref();

for (const version of ['3.1', '3.1.1', '5']) {
  for (const [n, [says, attempt]] of Object.entries(inEveryVersion).entries()) {
    await attempt(version, `${TAG}/${version}/${n}`);
    console.log(`${version}: ${says}`);
  }
}
for (const [n, [says, attempt]] of Object.entries(inFive).entries()) {
  await attempt(`${TAG}/five/${n}`);
  console.log(`5: ${says}`);
}
process.exit(0);
