// What Python hands over, and the two functions that it calls.

extern "C" {

// A rectangle of texels: a point p lies at texel p[axis] * scale + shift of a side, counted from its first one. In a trigrid it is a stack
// of through_length such rectangles; all windows of a head are stacks, or none (0).
struct Window {
    int32_t across_axis, across_length, down_axis, down_length, start;
    float across_scale, across_shift, down_scale, down_shift;
    int32_t through_axis, through_length;
    float through_scale, through_shift;
};

// Unit counts are multiples of 16, padded with units that have no output weights; varying is a multiple of 16, padded with channels
// that are not written.
struct Head {
    const float* early;          // [texels, early_units] what the units that density hears receive
    const float* late;           // [texels, late_units] what the others receive
    const float* to_density;     // [early_units]
    const float* to_colour;      // [early_units + late_units, varying]
    const float* colour_bias;    // [varying]
    const float* constant;       // [channels] colour of the channels that are the same everywhere
    const int32_t* outputs;      // [written] their channels
    float density_bias;
    int32_t early_units, late_units, varying, written, channels, windows;
    Window window[3];
};

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

static_assert(sizeof(Window) == WINDOW_BYTES && sizeof(Head) == HEAD_BYTES, "fused_marching.py has other fields");
static_assert(sizeof(Sheet) == SHEET_BYTES && sizeof(Sheets) == SHEETS_BYTES, "cpu_ext.py has other fields");

int32_t prepare(const Window* windows, const Sheets* sheets, int32_t count, int32_t biased, const int64_t* channels, int32_t inputs,
                const float* weight, const float* bias, int32_t early_units, int32_t late_units, int32_t threads, float* early,
                float* late);

int32_t march(const Head* head, const float* origins, const float* directions, const float* depths, const float* positions,
              int64_t rays, int32_t coarse, int32_t fine, int64_t positions_stride, float stop_below, float colour_above, int32_t threads,
              float* colour, float* depth, float* opacity);
}
