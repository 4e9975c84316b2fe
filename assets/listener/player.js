// The listener page of one room: asks the server how the room is, plays it when the listener wants,
// and says in words how things stand.
import { offerLanguages, remember } from '/assets/words.js';
import { Playback } from '/assets/playback.js';
import { retryMs, spread } from '/assets/retry.js';
import { Waves } from '/assets/waves.js';

const askMs = { waiting: 2000, live: 5000, ended: 10000, missing: 10000 };
const askTimeoutMs = 8000;
const endedMs = 1500; // after the end of the sound, until the room is asked what comes next

const el = (id) => document.getElementById(id);
const roomID = decodeURIComponent(location.pathname.split('/')[2] ?? '');

const page = {
  say: null, // words of the chosen language
  room: { title: '', performers: [], sinceUnixMs: 0, playlist: '' },
  state: 'loading', // of the room, as the server says
  sound: 'stopped', // of the playback
  armed: false, // play as soon as it is live
  failures: 0, // questions in a row without an answer
  clockMs: 0, // server's clock minus ours
};

const audio = el('audio');
const waves = new Waves(el('waves'));
const playback = new Playback(audio, (sound) => {
  page.sound = sound;
  if (sound === 'playing') waves.listen(audio);
  if (sound === 'ended') {
    page.armed = true; // until the room says that it has ended: it may be live again already
    later(endedMs);
  }
  show();
});

// later asks for the state of the room after about that time; not while nobody looks or waits.
function later(ms) {
  clearTimeout(later.timer);
  if (document.hidden && !playback.wanted && !page.armed) return;
  later.timer = setTimeout(ask, ms * spread(0.8, 1.2));
}

// ask fetches the state of the room and comes again by itself. A new question ends one under way.
async function ask() {
  clearTimeout(later.timer);
  ask.stop?.abort();
  const stop = (ask.stop = new AbortController());
  const timeout = setTimeout(() => stop.abort(), askTimeoutMs);
  try {
    const answer = await fetch(`/api/v1/rooms/${encodeURIComponent(roomID)}`, { cache: 'no-store', signal: stop.signal });
    const room = answer.ok ? await answer.json() : null;
    if (stop !== ask.stop) return;
    if (room) take(room, answer.headers.get('Date'));
    else if (answer.status === 404) takeMissing();
    else takeNothing();
  } catch {
    if (stop !== ask.stop) return;
    takeNothing();
  } finally {
    clearTimeout(timeout);
  }
  show();
  later(page.failures ? retryMs(page.failures + 1) : askMs[page.state]);
}

function take(room, date) {
  page.failures = 0;
  page.room = { title: room.title ?? '', performers: room.performers ?? [], sinceUnixMs: room.sinceUnixMs ?? 0, playlist: room.playlist };
  page.state = room.state === 'live' || room.state === 'ended' ? room.state : 'waiting';
  const serverMs = Date.parse(date);
  if (!Number.isNaN(serverMs)) page.clockMs = serverMs + 500 - Date.now();
  if (page.state !== 'live') settle();
  else if (page.armed) {
    page.armed = false;
    playback.play(room.playlist);
  }
}

// takeMissing learns that there is no such room: it never was, or it was closed.
function takeMissing() {
  page.failures = 0;
  page.state = page.room.playlist ? 'ended' : 'missing';
  settle();
}

// takeNothing learns nothing; what plays on is live all the same.
function takeNothing() {
  page.failures++;
  if (page.state !== 'live' || page.sound !== 'playing') page.state = 'offline';
}

// settle lets go of a broadcast that is over: what is loaded is played to its end, what only tries to
// come back stops trying. A listener who was waiting for sound goes on waiting where more is to come.
function settle() {
  if (playback.failing() && page.sound !== 'playing') {
    playback.stop();
    page.armed = true;
  }
  if (page.state !== 'waiting') page.armed = false;
  if (!playback.wanted) page.sound = 'stopped';
}

// moment is the one word for what the listener sees: the room's state and the playback's in one.
function moment() {
  if (!Playback.able()) return 'unable';
  if (playback.wanted && page.sound !== 'stopped') return page.sound;
  if (page.state === 'waiting') return page.armed ? 'armed' : 'waiting';
  if (page.state === 'live') return page.sound === 'blocked' || page.sound === 'ended' ? page.sound : 'ready';
  return page.state;
}

const sentences = {
  unable: 'sayUnable', starting: 'sayStarting', playing: 'sayPlaying', reconnecting: 'sayReconnecting',
  armed: 'sayArmed', waiting: 'sayWaiting', blocked: 'sayBlocked', ready: 'sayReady', ended: 'sayEnded',
  missing: 'sayMissing', offline: 'sayOffline', loading: 'sayLoading',
};

// setText leaves an unchanged text alone, so that screen readers stay quiet.
function setText(node, text) { if (node.textContent !== text) node.textContent = text; }

function show() {
  const { say, room, state } = page;
  const now = moment();
  document.body.dataset.state = state;
  document.body.dataset.moment = now;
  const title = room.title || say.untitled(roomID);
  setText(el('title'), title);
  setText(el('badge'), say[state]);
  setText(el('performing'), say.performing);
  setText(el('words'), say[sentences[now]]);
  setText(el('foot'), say.foot);
  document.title = `${title} · ${say[state]} · Gasso`;
  showPerformers();
  showPlay(now);
  showVolume();
  showTimes();
  waves.go(now === 'playing');
  showSession(title);
}

function showPerformers() {
  const list = el('performers');
  const names = page.room.performers.map((p) => p.name);
  waves.voices(names.length);
  const key = JSON.stringify(names);
  if (list.dataset.names === key) return;
  list.dataset.names = key;
  list.replaceChildren(...names.map((name, i) => {
    const item = document.createElement('li');
    item.dataset.voice = String(i % 5);
    item.textContent = name;
    return item;
  }));
}

function showPlay(now) {
  const { say } = page;
  const button = el('play');
  const on = ['starting', 'playing', 'reconnecting'].includes(now);
  const bell = now === 'waiting' || now === 'armed';
  button.disabled = !(on || bell || now === 'ready' || now === 'blocked');
  const label = on ? say.pause : now === 'waiting' ? say.arm : now === 'armed' ? say.disarm : say.play;
  button.setAttribute('aria-label', label);
  button.title = button.disabled ? '' : label;
}

function showTimes() {
  const { say, room, state } = page;
  const nowMs = Date.now() + page.clockMs;
  const since = state === 'live' && room.sinceUnixMs > 0 ? say.minutes(Math.max(0, Math.floor((nowMs - room.sinceUnixMs) / 60000))) : '';
  setText(el('since'), since);
  const behindMs = nowMs - playback.playedAt();
  let small = '';
  if (page.sound === 'playing' && behindMs > 0 && behindMs < 60000) small = say.behind(Math.max(1, Math.round(behindMs / 1000)));
  else if (moment() === 'waiting') small = say.sayWaitingHint;
  setText(el('delay'), small);
}

function showVolume() {
  const { say } = page;
  const slider = el('volume');
  const percent = Math.round(audio.volume * 100);
  slider.value = String(percent);
  slider.setAttribute('aria-label', say.volume);
  slider.setAttribute('aria-valuetext', say.percent(percent));
  slider.style.setProperty('--filled', `${percent}%`);
  const mute = el('mute');
  mute.setAttribute('aria-pressed', String(audio.muted));
  mute.setAttribute('aria-label', say.mute); // pressed or not says the rest
  mute.title = audio.muted ? say.unmute : say.mute;
}

// showSession tells the system what is playing, for lock screens and media keys.
function showSession(title) {
  if (!('mediaSession' in navigator)) return;
  const artist = page.room.performers.map((p) => p.name).join(', ');
  if (showSession.key !== title + artist) {
    showSession.key = title + artist;
    navigator.mediaSession.metadata = new MediaMetadata({ title, artist, album: 'Gasso',
      artwork: [{ src: '/assets/icon.svg', sizes: 'any', type: 'image/svg+xml' }] });
  }
  navigator.mediaSession.playbackState = playback.wanted ? 'playing' : 'paused';
}

function press() {
  if (playback.wanted) {
    playback.stop();
  } else if (page.state === 'live') {
    playback.play(page.room.playlist);
  } else if (page.state === 'waiting') {
    page.armed = !page.armed;
    show();
  }
}

function setVolume(percent) {
  audio.volume = Math.min(100, Math.max(0, percent)) / 100;
  remember('gasso-volume', String(percent));
}

function wire() {
  el('play').addEventListener('click', press);
  el('mute').addEventListener('click', () => { audio.muted = !audio.muted; });
  el('volume').addEventListener('input', (e) => { audio.muted = false; setVolume(Number(e.target.value)); });
  audio.addEventListener('volumechange', showVolume);
  document.addEventListener('visibilitychange', () => { if (!document.hidden) ask(); });
  addEventListener('online', ask);
  setInterval(showTimes, 1000);
  const kept = Number(remember('gasso-volume') ?? 80);
  setVolume(Number.isFinite(kept) ? kept : 80);
  el('volume-row').hidden = audio.volume === 1 && Number(remember('gasso-volume')) !== 100; // iPhones keep it at 1
  handleKey('play', () => { if (!playback.wanted) press(); });
  for (const key of ['pause', 'stop']) handleKey(key, () => playback.stop());
}

// handleKey wires a media key; browsers throw at those that they don't know.
function handleKey(key, act) {
  try { navigator.mediaSession?.setActionHandler(key, act); } catch { /* without it then */ }
}

wire();
offerLanguages((say) => { page.say = say; show(); });
ask();
