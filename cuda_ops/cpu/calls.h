// What Python hands over besides head.h, and the functions that it calls.

extern "C" {

// A plane as a window reads it: where its first texel's first channel lies, and how many numbers further the next one is.
struct Sheet {
    const float* features;
    int64_t channel, row, column;
};

// What fills a window: the sum of its sheets, [height, width] each; the window's first texel is their texel (first_row, first_column),
// and there are zeros beyond their edges.
struct Sheets {
    int32_t first_row, first_column, height, width, count;
    Sheet sheet[2];
};

static_assert(sizeof(Sheet) == SHEET_BYTES && sizeof(Sheets) == SHEETS_BYTES, "extension.py has other fields");

int32_t prepare(const Window* windows, const Sheets* sheets, int32_t count, int32_t biased, const int64_t* channels, int32_t inputs,
                const float* weight, const float* bias, int32_t early_units, int32_t late_units, int32_t threads, float* early,
                float* late);

// The rays of one frame, one for each pixel of a picture `side` pixels along a side, and the picture that they are marched for.
struct FrameRays {
    int32_t side, coarse, fine;
    float origin[3];
    const float* directions;      // [3][side * side]
    float *near, *far;            // [side * side] between which depths each is marched
    const float* strata;          // [coarse] ascending, 0..1 between near and far
    const float* jitter;          // [coarse] how many steps further each depth is; those of the next ray are jitter_stride numbers on
    const float* positions;       // [fine] where in the distribution the second pass looks, likewise
    int64_t jitter_stride, positions_stride;
    float *features;              // [channels][side * side]
    float *depth, *opacity;       // [side * side]
};

static_assert(sizeof(FrameRays) == FRAME_RAYS_BYTES, "extension.py has other fields");

int32_t cast(const float* camera, int32_t side, const float* box, float* directions, float* near, float* far, float* span);

int32_t choose(const FrameRays* rays, const float* span, int32_t* pixels, float* reach, float* ends);

int32_t march(const Head* head, const FrameRays* rays, const int32_t* pixels, int64_t count, float stop_below, float colour_above,
              int32_t threads);
}
