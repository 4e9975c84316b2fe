// The ear of the browser tests: hands on what it is fed, in blocks of block samples, one array for each
// of two channels. Served to the page under a name of its own origin, since its policy allows no other.
class Probe extends AudioWorkletProcessor {
  constructor({ processorOptions }) {
    super();
    this.size = processorOptions.block;
    this.begin();
  }

  begin() {
    this.block = [new Float32Array(this.size), new Float32Array(this.size)];
    this.filled = 0;
  }

  process([channels]) {
    if (channels.length < 2) return true; // nothing is connected yet
    const length = channels[0].length;
    for (let from = 0; from < length;) {
      const n = Math.min(length - from, this.size - this.filled);
      this.block.forEach((pcm, i) => pcm.set(channels[i].subarray(from, from + n), this.filled));
      this.filled += n;
      from += n;
      if (this.filled < this.size) continue;
      this.port.postMessage(this.block, this.block.map((pcm) => pcm.buffer));
      this.begin();
    }
    return true;
  }
}

registerProcessor('probe', Probe);
