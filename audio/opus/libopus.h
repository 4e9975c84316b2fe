/* What this package calls of libopus, declared here because the archives of mediadevices are linked
 * without their headers being on our include path. The numbers are part of libopus' stable ABI. */
#ifndef GASSO_LIBOPUS_H
#define GASSO_LIBOPUS_H

typedef struct OpusEncoder OpusEncoder;
typedef struct OpusDecoder OpusDecoder;

enum {
	GASSO_APPLICATION_VOIP = 2048,
	GASSO_APPLICATION_AUDIO = 2049,
	GASSO_APPLICATION_LOWDELAY = 2051,
	GASSO_SET_BITRATE = 4002,
	GASSO_SET_COMPLEXITY = 4010,
	GASSO_SET_INBAND_FEC = 4012,
	GASSO_SET_PACKET_LOSS_PERC = 4014,
	GASSO_SET_DTX = 4016,
	GASSO_GET_LOOKAHEAD = 4027,
	GASSO_SET_PREDICTION_DISABLED = 4042,
};

const char *opus_get_version_string(void);

OpusEncoder *opus_encoder_create(int rate, int channels, int application, int *error);
int opus_encode_float(OpusEncoder *e, const float *pcm, int samples, unsigned char *dst, int capacity);
int opus_encoder_ctl(OpusEncoder *e, int request, ...);
void opus_encoder_destroy(OpusEncoder *e);

OpusDecoder *opus_decoder_create(int rate, int channels, int *error);
int opus_decode_float(OpusDecoder *d, const unsigned char *payload, int bytes, float *pcm, int samples, int fec);
void opus_decoder_destroy(OpusDecoder *d);

/* cgo cannot call variadic functions. */
static inline int gasso_opus_set(OpusEncoder *e, int request, int value)
{
	return opus_encoder_ctl(e, request, value);
}

static inline int gasso_opus_get(OpusEncoder *e, int request, int *value)
{
	return opus_encoder_ctl(e, request, value);
}

#endif
