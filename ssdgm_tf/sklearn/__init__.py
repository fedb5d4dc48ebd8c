"""Models of tables in scikit-learn's manners: estimators that learn from rows with and without a label.

Within this package `from sklearn import ...` is scikit-learn, because imports are absolute.
"""

from ssdgm_tf.sklearn.classifier import SemiSupervisedClassifier
from ssdgm_tf.sklearn.regressor import SemiSupervisedRegressor

__all__ = ["SemiSupervisedClassifier", "SemiSupervisedRegressor"]
