// Opens a listener or invitation page in a real Chromium, as a listener does, and prints what it saw
// and heard as one JSON object. Used by the Go tests.
//
// node listener.mjs '{"url":…, "play":true, "listenMs":4000, "frequencies":[440], "screenshot":"file.png",
//   "width":390, "height":844, "locale":"ja-JP", "state":"playing", "press":["#copy"], "timeoutMs":30000}'
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from 'playwright-core';

const flags = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync', '--autoplay-policy=document-user-activation-required'];

const order = { frequencies: [], press: [], listenMs: 3000, width: 1280, height: 800, locale: 'en-GB', timeoutMs: 30000, ...JSON.parse(process.argv[2]) };

// hear runs in the page: the level of each frequency in dBFS on what the media element plays, and the
// longest silence in milliseconds, by an AnalyserNode on a copy of its stream.
async function hear({ frequencies, listenMs }) {
  const context = new AudioContext({ sampleRate: 48000 });
  await context.resume();
  const source = new MediaStreamAudioSourceNode(context, { mediaStream: document.querySelector('audio').captureStream() });
  const splitter = new ChannelSplitterNode(context, { numberOfOutputs: 2 });
  source.connect(splitter);
  const ears = [0, 1].map((channel) => {
    const ear = new AnalyserNode(context, { fftSize: 16384 });
    splitter.connect(ear, channel);
    return ear;
  });
  const block = new Float32Array(16384);
  const level = (f) => {
    let re = 0; let im = 0;
    block.forEach((v, i) => {
      const hann = 1 - Math.cos((2 * Math.PI * i) / block.length);
      re += v * hann * Math.cos((2 * Math.PI * f * i) / 48000);
      im += v * hann * Math.sin((2 * Math.PI * f * i) / 48000);
    });
    return 20 * Math.log10(Math.max(1e-6, (2 * Math.hypot(re, im)) / block.length));
  };
  const measured = ears.map(() => frequencies.map(() => []));
  for (const end = performance.now() + listenMs; performance.now() < end;) {
    await new Promise((r) => { setTimeout(r, 350); });
    ears.forEach((ear, channel) => {
      ear.getFloatTimeDomainData(block);
      frequencies.forEach((f, i) => measured[channel][i].push(level(f)));
    });
  }
  const median = (all) => [...all].sort((a, b) => a - b)[all.length >> 1];
  return measured.map((channel) => channel.map(median));
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
    seen.levelsDB = await page.evaluate(hear, order);
    seen.playedSeconds = await page.evaluate(() => document.querySelector('audio').currentTime);
  }
  if (order.settleMs) await page.waitForTimeout(order.settleMs);
  if (order.screenshot) await page.screenshot({ path: order.screenshot });
}

const seen = { problems: [] };
const folder = mkdtempSync(join(tmpdir(), 'gasso-browser-'));
const context = await chromium.launchPersistentContext(folder, { executablePath: '/usr/bin/chromium', headless: true, args: flags,
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
