// The table of a head: what hidden units receive at every texel of its windows.

namespace {

const int SIDE = 16;  // of the squares of texels that are projected together

// Adds a square that lies wholly within a sheet, whose texels follow each other along rows or along columns.
inline void add_whole(const float* texels, int64_t row, int64_t column, float* square) {
    for (int y = 0; y < SIDE; y += LANES)
        for (int x = 0; x < SIDE; x += LANES) {
            Floats rows[LANES];
            for (int k = 0; k < LANES; k++) rows[k] = from(column == 1 ? texels + (y + k) * row + x : texels + (x + k) * column + y);
            if (column != 1) transpose(rows);
            for (int k = 0; k < LANES; k++) at(square + (y + k) * SIDE + x) += rows[k];
        }
}

// A square of a window's texels, [inputs][SIDE][SIDE].
void read_square(const Sheets& sheets, const int64_t* channels, int inputs, int row, int column, float* square) {
    for (int i = 0; i < inputs * SIDE * SIDE; i += LANES) at(square + i) = Floats{};
    const int first_row = sheets.first_row + row, first_column = sheets.first_column + column;
    const int top = first_row < 0 ? -first_row : 0, left = first_column < 0 ? -first_column : 0;
    const int bottom = sheets.height - first_row < SIDE ? sheets.height - first_row : SIDE;
    const int right = sheets.width - first_column < SIDE ? sheets.width - first_column : SIDE;
    const bool whole = top == 0 && left == 0 && bottom == SIDE && right == SIDE;
    for (int s = 0; s < sheets.count; s++) {
        const Sheet& sheet = sheets.sheet[s];
        for (int i = 0; i < inputs; i++) {
            const float* texels = sheet.features + channels[i] * sheet.channel + first_row * sheet.row + first_column * sheet.column;
            float* to = square + i * SIDE * SIDE;
            if (whole && (sheet.row == 1 || sheet.column == 1))
                add_whole(texels, sheet.row, sheet.column, to);
            else if (sheet.column == 1)
                for (int y = top; y < bottom; y++)
                    for (int x = left; x < right; x++) to[y * SIDE + x] += texels[y * sheet.row + x];
            else
                for (int x = left; x < right; x++)
                    for (int y = top; y < bottom; y++) to[y * SIDE + x] += texels[y * sheet.row + x * sheet.column];
        }
    }
}

// What `units` hidden units receive at the texels of one row of a square, for GROUP vectors of units and TEXELS texels at a time.
// weight: rows of `stride` numbers.
template <int TEXELS, int GROUP>
void project(const float* row, int inputs, const float* weight, int stride, const float* bias, int units, int texels, float* table) {
    for (int first = 0; first < texels; first += TEXELS)
        for (int unit = 0; unit < units; unit += GROUP * LANES) {
            Floats sums[TEXELS][GROUP];
            for (int t = 0; t < TEXELS; t++)
                for (int v = 0; v < GROUP; v++) sums[t][v] = bias ? at(bias + unit + v * LANES) : Floats{};
            for (int i = 0; i < inputs; i++) {
                Floats some[GROUP];
                for (int v = 0; v < GROUP; v++) some[v] = at(weight + i * stride + unit + v * LANES);
                for (int t = 0; t < TEXELS; t++)
                    for (int v = 0; v < GROUP; v++) sums[t][v] += some[v] * row[i * SIDE * SIDE + first + t];
            }
            for (int t = 0; t < TEXELS && first + t < texels; t++)
                for (int v = 0; v < GROUP; v++) at(table + (int64_t)(first + t) * units + unit + v * LANES) = sums[t][v];
        }
}

inline void project(const float* row, int inputs, const float* weight, int stride, const float* bias, int units, int texels, float* table) {
    const int sums = LANES == 16 ? 16 : 8;  // in registers
    if (units % (4 * LANES) == 0)
        project<sums / 4, 4>(row, inputs, weight, stride, bias, units, texels, table);
    else
        project<sums, 1>(row, inputs, weight, stride, bias, units, texels, table);
}

}  // namespace

// Fills the table of a head: what its hidden units receive at every texel of its windows.
//   channels [inputs]: those of the planes that are heard. weight [inputs, early_units + late_units], bias [early_units + late_units].
//   early [texels, early_units], late [texels, late_units]: the results. The bias is in every texel of the first `biased` windows.
//   A stack is given as one window for each of its layers.
// Returns 0, or 1 for want of memory.
int32_t prepare(const Window* windows, const Sheets* sheets, int32_t count, int32_t biased, const int64_t* channels, int32_t inputs,
                const float* weight, const float* bias, int32_t early_units, int32_t late_units, int32_t threads, float* early,
                float* late) {
    const int units = early_units + late_units;
    int32_t failed = 0;
#ifdef _OPENMP
#pragma omp parallel num_threads(threads) reduction(| : failed)
#endif
    {
        char* memory = static_cast<char*>(std::malloc(inputs * SIDE * SIDE * sizeof(float) + 64));
        float* square = reinterpret_cast<float*>(memory + 64 - reinterpret_cast<uintptr_t>(memory) % 64);
        failed |= !memory;
        for (int w = 0; w < count; w++) {
            const Window& window = windows[w];
#ifdef _OPENMP
#pragma omp for schedule(dynamic) nowait
#endif
            for (int row = 0; row < window.down_length; row += SIDE)
                for (int column = 0; memory && column < window.across_length; column += SIDE) {
                    read_square(sheets[w], channels, inputs, row, column, square);
                    const int texels = window.across_length - column < SIDE ? window.across_length - column : SIDE;
                    for (int y = 0; y < SIDE && row + y < window.down_length; y++) {
                        const float* texel = square + y * SIDE;
                        const int64_t place = window.start + (int64_t)(row + y) * window.across_length + column;
                        project(texel, inputs, weight, units, w >= biased ? nullptr : bias, early_units, texels, early + place * early_units);
                        project(texel, inputs, weight + early_units, units, w >= biased ? nullptr : bias + early_units, late_units, texels,
                                late + place * late_units);
                    }
                }
        }
        std::free(memory);
    }
    return failed;
}
