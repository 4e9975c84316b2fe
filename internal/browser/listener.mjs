// Opens a listener or invitation page in a real Chromium, as a listener does, and prints what it saw
// and heard as one JSON object. Used by the Go tests.
//
// node listener.mjs '{"url":…, "play":true, "listenMs":4000, "frequencies":[440], "screenshot":"file.png",
//   "width":390, "height":844, "locale":"ja-JP", "state":"playing", "press":["#copy"], "timeoutMs":30000}'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';

const flags = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync', '--autoplay-policy=document-user-activation-required'];

const order = { frequencies: [], press: [], flags: [], listenMs: 3000, width: 1280, height: 800, locale: 'en-GB', timeoutMs: 30000, ...JSON.parse(process.argv[2]) };

const probeFile = fileURLToPath(new URL('probe.js', import.meta.url));
const probePath = '/__probe.js'; // of the page's own origin, as its content policy demands
const steadyMs = 30000; // how long sound may take to become steady

// settle runs in the page: waits until a second of sound is played in about a second, so that a busy
// machine that still loads is not taken for silence.
async function settle({ waitMs }) {
  const audio = document.querySelector('audio');
  for (const end = performance.now() + waitMs; performance.now() < end;) {
    const [position, since] = [audio.currentTime, performance.now()];
    await new Promise((r) => { setTimeout(r, 1000); });
    if (audio.currentTime - position >= 0.9 * (performance.now() - since) / 1000) return;
  }
  throw new Error(`the sound did not go on for a second within ${waitMs / 1000} s, at ${audio.currentTime.toFixed(1)} s of it`);
}

// hear runs in the page: the level of each frequency in dBFS on each channel of what the media element
// plays, the median of Hann-windowed blocks of 100 ms that an AudioWorklet collects.
async function hear({ frequencies, listenMs, probePath }) {
  const rate = 48000;
  const size = rate / 10;
  const context = new AudioContext({ sampleRate: rate });
  await context.audioWorklet.addModule(probePath);
  await context.resume();
  const source = new MediaStreamAudioSourceNode(context, { mediaStream: document.querySelector('audio').captureStream() });
  const probe = new AudioWorkletNode(context, 'probe', { outputChannelCount: [2], channelCount: 2, channelCountMode: 'explicit',
    processorOptions: { block: size } });
  const wanted = Math.max(1, Math.ceil(listenMs / 100));
  const blocks = [];
  await new Promise((done, failed) => {
    const late = setTimeout(() => failed(new Error(`heard ${blocks.length} of ${wanted} blocks`)), 4 * listenMs + 10000);
    probe.port.onmessage = ({ data }) => {
      if (blocks.push(data) === wanted) { clearTimeout(late); done(); }
    };
    source.connect(probe).connect(context.destination); // it adds silence; without a way out it would not run
  });
  await context.close();
  const hann = Float64Array.from({ length: size }, (_, i) => 1 - Math.cos((2 * Math.PI * i) / size));
  const level = (pcm, f) => {
    let re = 0; let im = 0;
    const step = (2 * Math.PI * f) / rate;
    for (let i = 0; i < size; i++) {
      re += pcm[i] * hann[i] * Math.cos(step * i);
      im += pcm[i] * hann[i] * Math.sin(step * i);
    }
    return 20 * Math.log10(Math.max(1e-6, (2 * Math.hypot(re, im)) / size));
  };
  const median = (all) => all.sort((a, b) => a - b)[all.length >> 1];
  return [0, 1].map((channel) => frequencies.map((f) => median(blocks.map((b) => level(b[channel], f)))));
}

// serveProbe answers for the server when the page asks for the probe. By the protocol underneath, since
// page.route lets pass what a worklet asks for.
async function serveProbe(page, url) {
  const session = await page.context().newCDPSession(page);
  session.on('Fetch.requestPaused', ({ requestId }) => session.send('Fetch.fulfillRequest', { requestId, responseCode: 200,
    responseHeaders: [{ name: 'Content-Type', value: 'text/javascript' }], body: readFileSync(probeFile, 'base64') }));
  await session.send('Fetch.enable', { patterns: [{ urlPattern: new URL(probePath, url).href }] });
}

async function run(page, seen) {
  const { url, timeoutMs } = order;
  await page.goto(url, { timeout: timeoutMs });
  if (order.state && order.play) {
    await page.waitForFunction(() => !document.querySelector('#play').disabled, undefined, { timeout: timeoutMs });
  }
  if (order.play) await page.click('#play', { timeout: timeoutMs });
  for (const selector of order.press) await page.click(selector, { timeout: timeoutMs });
  for (const moment of [order.state, order.then].filter(Boolean)) {
    await page.waitForFunction((m) => document.body.dataset.moment === m, moment, { timeout: timeoutMs });
  }
  if (order.frequencies.length) {
    await page.evaluate(settle, { waitMs: Math.min(order.timeoutMs, steadyMs) });
    await serveProbe(page, url);
    seen.levelsDB = await page.evaluate(hear, { ...order, probePath });
    seen.playedSeconds = await page.evaluate(() => document.querySelector('audio').currentTime);
  }
  if (order.settleMs) await page.waitForTimeout(order.settleMs);
  if (order.screenshot) await page.screenshot({ path: order.screenshot });
}

const seen = { problems: [] };
const folder = mkdtempSync(join(tmpdir(), 'gasso-browser-'));
const context = await chromium.launchPersistentContext(folder, { executablePath: '/usr/bin/chromium', headless: true, args: [...flags, ...order.flags],
  locale: order.locale, viewport: { width: order.width, height: order.height }, deviceScaleFactor: order.scale ?? 1,
  hasTouch: order.width < 600, isMobile: order.width < 600, permissions: ['clipboard-read', 'clipboard-write'] });
try {
  const page = context.pages()[0] ?? await context.newPage();
  page.on('console', (m) => { if (m.type() === 'error' && !(order.tolerate && m.text().includes(order.tolerate))) seen.problems.push(m.text()); });
  page.on('pageerror', (e) => seen.problems.push(String(e)));
  page.on('request', (r) => { if (new URL(r.url()).origin !== new URL(order.url).origin && r.url().startsWith('http')) seen.problems.push(`asked ${r.url()}`); });
  try {
    await run(page, seen);
  } catch (e) {
    seen.error = String(e);
  }
  seen.moment = await page.evaluate(() => document.body.dataset.moment ?? '');
  seen.text = await page.evaluate(() => document.body.innerText);
  seen.language = await page.evaluate(() => document.documentElement.lang);
  if (order.press.includes('#copy')) seen.clipboard = await page.evaluate(() => navigator.clipboard.readText());
  seen.wide = await page.evaluate(() => document.documentElement.scrollWidth > innerWidth);
  seen.tall = await page.evaluate(() => document.documentElement.scrollHeight - innerHeight);
} finally {
  await context.close();
  rmSync(folder, { recursive: true, force: true });
}
console.log(JSON.stringify(seen));
