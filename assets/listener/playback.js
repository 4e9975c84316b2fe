// Playback of one HLS playlist on one audio element: by the browser itself on Apple's systems (which
// go on playing when the phone is locked) and wherever there is no Media Source, by hls.js elsewhere.
// Not verified on Safari.

import { retryMs } from '/assets/retry.js';

const cushionSeconds = 3.5; // what must be loaded before sound begins, so that it begins once
const holdMs = 6000; // but no longer than this
const steadyMs = 10000; // what has played that long begins its retries afresh
const stuckMs = 20000; // what has not gone on for that long is loaded again
const watchMs = 5000;
const nativeType = 'application/vnd.apple.mpegurl';

// Playback reports 'starting', 'playing', 'reconnecting', 'stopped', 'ended' or 'blocked' to changed.
export class Playback {
  constructor(audio, changed) {
    this.audio = audio;
    this.changed = changed;
    this.wanted = false;
    this.heard = false; // since play was pressed
    this.attempts = 0;
    this.running = false; // the element was told to play, and not by us to pause
    audio.addEventListener('play', () => { this.running = true; });
    audio.addEventListener('playing', () => { this.heard = true; this.playingSince = performance.now(); this.report('playing'); });
    audio.addEventListener('waiting', () => {
      this.report(this.heard ? 'reconnecting' : 'starting');
      if (this.heard && this.hls) this.hold();
    });
    audio.addEventListener('ended', () => this.finish());
    audio.addEventListener('error', () => { if (this.native && audio.getAttribute('src')) this.retry(); });
    audio.addEventListener('pause', () => { if (this.wanted && this.running && !audio.ended) this.stop(); });
    addEventListener('online', () => { if (this.timer) this.load(); });
  }

  // able tells whether this browser can play HLS at all.
  static able() { return Playback.native() || Boolean(window.Hls?.isSupported()); }

  static native() {
    if (!document.createElement('audio').canPlayType(nativeType)) return false;
    return /^Apple/.test(navigator.vendor) || !window.Hls?.isSupported();
  }

  report(state) { if (this.wanted) this.changed(state); }

  // play starts at the live edge; call it from a press the first time.
  play(url) {
    this.url = url;
    this.wanted = true;
    this.heard = false;
    this.attempts = 0;
    this.playingSince = 0;
    this.watch();
    this.changed('starting');
    this.load();
  }

  // failing tells whether it tries to come back.
  failing() { return this.wanted && this.attempts > 0 && !this.playingSince; }

  stop() { this.leave('stopped'); }

  finish() { this.leave('ended'); }

  // leave ends what play began.
  leave(state) {
    if (!this.wanted) return;
    this.release();
    clearInterval(this.watching);
    this.wanted = false;
    this.changed(state);
  }

  // watch loads again what neither goes on nor fails.
  watch() {
    clearInterval(this.watching);
    let [position, since] = [NaN, 0];
    this.watching = setInterval(() => {
      const now = performance.now();
      if (this.timer || position !== this.audio.currentTime) {
        [position, since] = [this.audio.currentTime, now];
      } else if (now - since > stuckMs) {
        since = now;
        this.retry();
      }
    }, watchMs);
  }

  release() {
    clearTimeout(this.timer);
    clearInterval(this.holding);
    this.timer = this.holding = 0;
    this.running = false; // a pause that comes from here is not the listener's
    this.hls?.destroy();
    this.hls = null;
    this.audio.pause();
    this.audio.removeAttribute('src');
    this.audio.load();
  }

  load() {
    this.release();
    this.native = Playback.native();
    if (this.native) {
      this.audio.src = this.url;
      this.begin();
    } else {
      this.attach();
      this.hold();
    }
  }

  // hold waits until enough is loaded to play on without a stop.
  hold() {
    clearInterval(this.holding);
    const since = performance.now();
    this.running = false;
    this.audio.pause();
    this.holding = setInterval(() => {
      if (this.ahead() < cushionSeconds && performance.now() - since < holdMs) return;
      clearInterval(this.holding);
      this.holding = 0;
      this.begin();
    }, 100);
  }

  // ahead is how many seconds are loaded and not yet played.
  ahead() {
    const { buffered, currentTime } = this.audio;
    const last = buffered.length - 1;
    return last < 0 ? 0 : buffered.end(last) - Math.max(currentTime, buffered.start(last));
  }

  begin() {
    this.audio.play()?.catch((e) => {
      if (e.name === 'NotAllowedError') this.leave('blocked');
    });
  }

  attach() {
    const { Hls } = window;
    const hls = new Hls({
      enableWorker: false, // a worker would need a script of its own under the content policy
      liveSyncDurationCount: 3,
      liveDurationInfinity: true,
      backBufferLength: 20,
      maxLiveSyncPlaybackRate: 1, // music keeps its tempo
    });
    this.hls = hls;
    hls.on(Hls.Events.ERROR, (_, problem) => {
      if (!problem.fatal || hls !== this.hls) return;
      if (problem.type === Hls.ErrorTypes.MEDIA_ERROR && !this.recovered) {
        this.recovered = true;
        hls.recoverMediaError();
        return;
      }
      this.recovered = false;
      this.retry(); // a broadcast that was restarted has a new playlist: begin at the top
    });
    hls.loadSource(this.url);
    hls.attachMedia(this.audio);
  }

  retry() {
    if (!this.wanted) return;
    this.report(this.heard ? 'reconnecting' : 'starting');
    this.release();
    if (this.playingSince && performance.now() - this.playingSince > steadyMs) this.attempts = 0;
    this.playingSince = 0;
    this.timer = setTimeout(() => this.load(), retryMs(this.attempts++));
  }

  // playedAt is when what is heard now was played, in Unix milliseconds of the server's clock, or NaN.
  playedAt() {
    const date = this.hls?.playingDate;
    if (date) return date.getTime();
    const start = this.native && this.audio.getStartDate?.();
    return start ? start.getTime() + this.audio.currentTime * 1000 : NaN;
  }
}
