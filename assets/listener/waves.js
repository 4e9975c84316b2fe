// Waves around the play button, one ring for each performer, drawn from the sound that plays where the
// browser lets us look at it without touching it; elsewhere they breathe slowly.

const colours = ['255,179,107', '95,214,197', '164,149,255', '255,138,158', '122,184,255'];
const frameMs = 33;
const bandsHz = [60, 160, 400, 1000, 2600, 7000];

export class Waves {
  constructor(canvas) {
    this.canvas = canvas;
    this.pen = canvas.getContext('2d');
    this.rings = 3;
    this.levels = new Float32Array(bandsHz.length - 1);
    this.strength = 0; // 0 at rest, 1 playing; glides
    this.still = matchMedia('(prefers-reduced-motion: reduce)');
    this.still.addEventListener('change', () => this.restart());
    new ResizeObserver(() => this.resize()).observe(canvas);
    document.addEventListener('visibilitychange', () => this.restart());
    this.restart();
  }

  // voices sets the number of rings.
  voices(n) { this.rings = Math.min(5, Math.max(3, n)); }

  // go says whether sound is playing.
  go(playing) {
    if (playing !== this.playing) (playing ? this.context?.resume() : this.context?.suspend());
    this.playing = playing;
    if (this.still.matches) this.draw(0);
  }

  // listen looks at the sound of a media element without changing where it goes. The element's stream
  // is taken once: it gets a new track whenever the element loads something new.
  listen(media) {
    if (!media.captureStream || this.still.matches) return;
    try {
      this.context ??= new AudioContext({ latencyHint: 'playback' });
      this.analyser ??= new AnalyserNode(this.context, { fftSize: 2048, smoothingTimeConstant: 0.6, minDecibels: -75, maxDecibels: -18 });
      this.bins ??= new Uint8Array(this.analyser.frequencyBinCount);
      if (!this.stream) {
        this.stream = media.captureStream();
        this.stream.addEventListener('addtrack', () => this.connect());
      }
      this.connect();
    } catch {
      this.analyser = null;
    }
  }

  connect() {
    const track = this.stream.getAudioTracks().reverse().find((t) => t.readyState === 'live');
    if (!track || track === this.track) return;
    this.tap?.disconnect();
    this.track = track;
    this.tap = new MediaStreamAudioSourceNode(this.context, { mediaStream: new MediaStream([track]) });
    this.tap.connect(this.analyser);
  }

  restart() {
    cancelAnimationFrame(this.request);
    if (document.hidden) return;
    if (this.still.matches) { this.draw(0); return; }
    let last = 0;
    const step = (now) => {
      this.request = requestAnimationFrame(step);
      if (now - last < frameMs - 2) return;
      last = now;
      this.measure();
      this.draw(now / 1000);
    };
    this.request = requestAnimationFrame(step);
  }

  resize() {
    const dots = Math.min(devicePixelRatio || 1, 2);
    const { width, height } = this.canvas.getBoundingClientRect();
    this.canvas.width = Math.round(width * dots);
    this.canvas.height = Math.round(height * dots);
    if (this.still.matches) this.draw(0);
  }

  measure() {
    this.strength += ((this.playing ? 1 : 0) - this.strength) * 0.06;
    if (!this.analyser || !this.playing) {
      this.levels.forEach((v, i) => { this.levels[i] = v * 0.9; });
      return;
    }
    this.analyser.getByteFrequencyData(this.bins);
    const perHz = this.bins.length * 2 / this.context.sampleRate;
    for (let band = 0; band < this.levels.length; band++) {
      const from = Math.floor(bandsHz[band] * perHz);
      const to = Math.max(from + 1, Math.floor(bandsHz[band + 1] * perHz));
      let peak = 0;
      for (let i = from; i < to; i++) peak = Math.max(peak, this.bins[i]);
      const now = peak / 255;
      this.levels[band] += (now - this.levels[band]) * (now > this.levels[band] ? 0.5 : 0.12);
    }
  }

  draw(seconds) {
    const { pen, canvas } = this;
    const size = Math.min(canvas.width, canvas.height);
    pen.clearRect(0, 0, canvas.width, canvas.height);
    pen.globalCompositeOperation = 'lighter';
    for (let ring = 0; ring < this.rings; ring++) this.drawRing(ring, size, seconds);
  }

  // drawRing draws one voice: a closed curve with two fainter ones that follow it.
  drawRing(ring, size, seconds) {
    const level = this.levels[ring % this.levels.length];
    for (let echo = 2; echo >= 0; echo--) {
      this.trace(ring, size, seconds - echo * 0.22, level * (1 - 0.22 * echo), size * 0.009 * echo);
      this.paint(ring, size, level, echo);
    }
  }

  trace(ring, size, seconds, level, further) {
    const { pen, canvas } = this;
    const radius = size * (0.272 + 0.011 * ring) + further;
    const depth = size * (0.009 + 0.007 * this.strength + 0.07 * level);
    const turn = seconds * (0.16 + 0.05 * ring) * (ring % 2 ? -1 : 1) + ring * 1.9;
    const lobes = 3 + ring;
    pen.beginPath();
    for (let i = 0; i <= 150; i++) {
      const a = (i / 150) * 2 * Math.PI;
      const swell = Math.sin(lobes * a + turn * 3) * 0.6 + Math.sin((lobes + 2) * a - turn * 2 + ring) * 0.4;
      const r = radius + depth * (swell + 0.8);
      const x = canvas.width / 2 + r * Math.cos(a + turn * 0.3);
      const y = canvas.height / 2 + r * Math.sin(a + turn * 0.3);
      if (i) pen.lineTo(x, y); else pen.moveTo(x, y);
    }
    pen.closePath();
  }

  paint(ring, size, level, echo) {
    const { pen } = this;
    const colour = colours[ring];
    const fade = 1 / (1 + 1.6 * echo);
    if (!echo) {
      pen.fillStyle = `rgba(${colour},${0.015 + 0.05 * level})`;
      pen.fill();
    }
    pen.lineWidth = Math.max(1, size * (0.0034 + 0.002 * level) * (echo ? 0.7 : 1));
    pen.strokeStyle = `rgba(${colour},${(0.34 + 0.34 * this.strength + 0.3 * level) * fade})`;
    pen.stroke();
  }
}
