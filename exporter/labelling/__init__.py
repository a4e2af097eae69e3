"""Labels: named, admitted within their limits or folded into `other`. `LabelPolicy` decides, once a refresh."""
