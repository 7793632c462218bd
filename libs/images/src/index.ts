export { ImageConverterService } from './image-converter.service.js';
export { ImagesModule } from './images.module.js';
