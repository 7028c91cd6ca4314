// What Python hands over besides head.h, and the two functions that it calls.

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

int32_t march(const Head* head, const float* origins, const float* directions, const float* depths, const float* positions,
              int64_t rays, int32_t coarse, int32_t fine, int64_t positions_stride, float stop_below, float colour_above, int32_t threads,
              float* colour, float* depth, float* opacity);
}
