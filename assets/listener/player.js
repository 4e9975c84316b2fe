// The listener page of one room: asks the server how the room is, plays it when the listener wants,
// and says in words how things stand.
import { offerLanguages, remember } from '/assets/words.js';
import { Playback } from '/assets/playback.js';
import { Waves } from '/assets/waves.js';

const askMs = { waiting: 2000, live: 5000, ended: 10000, missing: 10000, offline: 3000, loading: 2000 };
const askTimeoutMs = 8000;

const el = (id) => document.getElementById(id);
const roomID = decodeURIComponent(location.pathname.split('/')[2] ?? '');

const page = {
  say: null, // words of the chosen language
  room: { title: '', performers: [], sinceUnixMs: 0, playlist: '' },
  state: 'loading', // of the room, as the server says
  sound: 'stopped', // of the playback
  armed: false,
  clockMs: 0, // server's clock minus ours
};

const audio = el('audio');
const waves = new Waves(el('waves'));
const playback = new Playback(audio, (sound) => {
  page.sound = sound;
  if (sound === 'playing') waves.listen(audio);
  if (sound === 'ended') ask();
  show();
});

// ask fetches the state of the room and comes again by itself.
async function ask() {
  clearTimeout(ask.timer);
  const turn = (ask.turn = (ask.turn ?? 0) + 1);
  try {
    const answer = await fetch(`/api/v1/rooms/${encodeURIComponent(roomID)}`,
      { cache: 'no-store', signal: AbortSignal.timeout(askTimeoutMs) });
    if (turn !== ask.turn) return;
    if (answer.ok) take(await answer.json(), answer.headers.get('Date'));
    else page.state = answer.status === 404 ? 'missing' : 'offline';
  } catch {
    if (turn !== ask.turn) return;
    page.state = 'offline';
  }
  show();
  ask.timer = setTimeout(ask, askMs[page.state]);
}

function take(room, date) {
  page.room = room;
  page.state = room.state in askMs ? room.state : 'waiting';
  if (date) page.clockMs = Date.parse(date) + 500 - Date.now();
  if (page.state === 'live' && page.armed) {
    page.armed = false;
    playback.play(room.playlist);
  }
}

// moment is the one word for what the listener sees: the room's state and the playback's in one.
function moment() {
  if (!Playback.able()) return 'unable';
  if (playback.wanted && page.sound !== 'stopped') return page.sound;
  if (page.state === 'waiting') return page.armed ? 'armed' : 'waiting';
  if (page.state === 'live') return page.sound === 'blocked' ? 'blocked' : 'ready';
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
  button.setAttribute('aria-pressed', String(on || now === 'armed'));
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
  mute.setAttribute('aria-label', audio.muted ? say.unmute : say.mute);
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
  setVolume(Number(remember('gasso-volume') ?? 80) || 80);
  el('volume-row').hidden = audio.volume === 1 && Number(remember('gasso-volume')) !== 100; // iPhones keep it at 1
  const session = navigator.mediaSession;
  session?.setActionHandler('play', () => { if (!playback.wanted) press(); });
  for (const act of ['pause', 'stop']) session?.setActionHandler(act, () => { if (playback.wanted) playback.stop(); });
}

wire();
offerLanguages((say) => { page.say = say; show(); });
ask();
