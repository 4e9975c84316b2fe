// Opens the page argv[2] in Chromium with the system's sound and the flags that follow, until standard
// input ends.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from 'playwright-core';

const folder = mkdtempSync(join(tmpdir(), 'gasso-caller-'));
const context = await chromium.launchPersistentContext(folder, {
  executablePath: '/usr/bin/chromium', headless: true, ignoreDefaultArgs: ['--mute-audio'],
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update',
    '--disable-sync', '--use-fake-ui-for-media-stream', '--allow-loopback-in-peer-connection', '--autoplay-policy=no-user-gesture-required',
    ...process.argv.slice(3)],
});
try {
  const page = context.pages()[0] ?? await context.newPage();
  await page.goto(process.argv[2]);
  process.stdin.resume();
  await new Promise((ended) => { process.stdin.on('end', ended); });
  console.log(await page.title());
} finally {
  await context.close();
  rmSync(folder, { recursive: true, force: true });
}
