// A head as Python hands it to compiled code, on processors and on GPUs: Window and Head of fused_marching.py, field by field.

// A rectangle of texels: a point p lies at texel p[axis] * scale + shift of a side, counted from its first one. In a trigrid it is a stack
// of through_length such rectangles; all windows of a head are stacks, or none (0).
struct Window {
    int across_axis, across_length, down_axis, down_length, start;
    float across_scale, across_shift, down_scale, down_shift;
    int through_axis, through_length;
    float through_scale, through_shift;
};

// Unit counts and varying are multiples of what a back end asks for, padded with units that have no output weights and with channels
// that are not written.
struct Head {
    const float* early;          // [texels, early_units] what the units that density hears receive
    const float* late;           // [texels, late_units] what the others receive
    const float* to_density;     // [early_units]
    const float* to_colour;      // [early_units + late_units, varying]
    const float* colour_bias;    // [varying]
    const float* constant;       // [channels] colour of the channels that are the same everywhere
    const int* outputs;          // [written] their channels
    float density_bias;
    int early_units, late_units, varying, written, channels, windows;
    Window window[3];
};

static_assert(sizeof(Window) == WINDOW_BYTES && sizeof(Head) == HEAD_BYTES, "fused_marching.py has other fields");
