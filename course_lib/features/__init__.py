"""What do two sets of images have in common, in the eyes of a network?

Distances between sets of images are taken between features, not pixels. The usual choice, an
ImageNet network, is 90 MB, lives on a host that may vanish, and was made for photographs. Ours are
two small networks that ship with the course, one judge a data set: `fashion` sorts clothes into their
classes, `faces` reads every attribute of a pixel-art face. Distances under one judge are comparable
with each other, not with those under the other, nor with published FIDs.
"""

from course_lib.features.faces import AttributeNet, faces_attributes, faces_reference, faces_score, read_faces
from course_lib.features.fashion import fashion_features, fashion_reference, fashion_score
from course_lib.features.judging import TOTAL_VARIANCE
from course_lib.features.net import FeatureNet

__all__ = [
    "TOTAL_VARIANCE",
    "AttributeNet",
    "FeatureNet",
    "faces_attributes",
    "faces_reference",
    "faces_score",
    "fashion_features",
    "fashion_reference",
    "fashion_score",
    "read_faces",
]
