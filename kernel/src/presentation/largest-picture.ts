/** The live panel offers no larger pictures, and takes none that are dropped on it. */
export const largestPictureBytes = 40e6;
