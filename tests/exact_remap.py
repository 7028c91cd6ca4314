"""cv2.remap as PyTorch would look up pictures, so that what eyes are painted by can be compared to the last digit."""

import cv2
import numpy as np
import torch
import torch.nn.functional as F

REMAP = cv2.remap


def exact_remap(picture, x, y, _, borderMode=cv2.BORDER_CONSTANT):
    """cv2.remap, which rounds places to 1/32 pixel: in all pictures before OpenCV 5, there in those of more than four channels."""
    if y is None:  # not an eye's
        return REMAP(picture, x, None, cv2.INTER_LINEAR)
    height, width = picture.shape[:2]
    grid = torch.from_numpy(np.stack([(2 * x + 1) / width - 1, (2 * y + 1) / height - 1], axis=-1)).float()[None]
    maps = torch.from_numpy(np.atleast_3d(picture)).float().permute(2, 0, 1)[None]
    beyond = "border" if borderMode == cv2.BORDER_REPLICATE else "zeros"
    return (
        F.grid_sample(maps, grid, padding_mode=beyond, align_corners=False)[0]
        .permute(1, 2, 0)
        .numpy()
        .reshape(*x.shape, *picture.shape[2:])
    )
