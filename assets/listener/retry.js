// When to try again what failed.

const firstMs = 500;
const mostMs = 30000;

// retryMs is how long to wait before try number attempts (0 is the first): twice as long each time up
// to half a minute, and by chance between half of it and all, so that the listeners of a server that was
// away don't all come back at once.
export function retryMs(attempts) {
  return Math.min(mostMs, firstMs * 2 ** Math.min(attempts, 16)) * spread(0.5, 1);
}

// spread is a number by chance between two.
export function spread(least, most) { return least + (most - least) * Math.random(); }
