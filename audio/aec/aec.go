// Package aec removes from the microphone what the loudspeaker plays, with WebRTC's AEC3.
//
// The canceller is C++ that takes minutes to compile, so it is built only with the tag aec3; without
// it New returns an error.
package aec

// FrameSamples is the length of every frame in samples, 10 ms at 48 kHz, mono.
const FrameSamples = 480

// LatencySamples is by how much Process delays the near end (9 ms): AEC3's filter banks.
const LatencySamples = 432
